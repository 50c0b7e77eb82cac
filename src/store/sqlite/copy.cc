// Backup, stub
#include "store/sqlite/engine.h"
namespace goniec {
Result<void> SqliteStore::backup(const std::string&) { return fail(ErrorKind::usage, "not yet"); }
}  // namespace goniec
