// See unpack.h.
#include "trust/unpack.h"

#include <zip.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "base/text.h"

namespace goniec {
namespace {

// What may still come out: shared by all that one call opens.
struct Budget {
  const UnpackLimits& limits;
  std::size_t octets;

  Result<void> take(std::size_t fresh, std::size_t out, std::size_t packed) {
    if (fresh > octets)
      return fail(ErrorKind::bad_data,
                  fmt::format("unpacks to more than {} octets", limits.octets));
    octets -= fresh;
    if (out >= limits.ratio_from && out / limits.ratio > packed)
      return fail(ErrorKind::bad_data,
                  fmt::format("unpacks to more than {} times its size", limits.ratio));
    return {};
  }
};

using Piece = std::array<char, 32 * 1024>;

// ---------------------------------------------------------------- gzip
struct Inflate {
  z_stream stream{};
  bool ready = false;
  Inflate() { ready = inflateInit2(&stream, 15 + 32) == Z_OK; }  // + 32: gzip or zlib, by header
  ~Inflate() {
    if (ready) inflateEnd(&stream);
  }
  Inflate(const Inflate&) = delete;
  Inflate& operator=(const Inflate&) = delete;
};

Result<std::string> inflate_all(std::string_view packed, Budget& budget) {
  Inflate state;
  if (!state.ready) return fail(ErrorKind::try_later, "no memory to unpack");
  state.stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  state.stream.avail_in = static_cast<uInt>(packed.size());
  std::string out;
  Piece piece;
  for (;;) {
    state.stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    state.stream.avail_out = static_cast<uInt>(piece.size());
    const int code = inflate(&state.stream, Z_NO_FLUSH);
    const std::size_t fresh = piece.size() - state.stream.avail_out;
    TRY(budget.take(fresh, out.size() + fresh, packed.size()));
    out.append(piece.data(), fresh);
    if (code == Z_OK) continue;
    if (code != Z_STREAM_END)
      return fail(ErrorKind::bad_data,
                  fmt::format("gzip: {}", state.stream.msg ? state.stream.msg : "ends too early"));
    // RFC 1952 §2.2: members follow one another; what is no member is padding and is left.
    const bool another = state.stream.avail_in >= 18 && state.stream.next_in[0] == 0x1F &&
                         state.stream.next_in[1] == 0x8B;
    if (!another || inflateReset(&state.stream) != Z_OK) return out;
  }
}

// ---------------------------------------------------------------- zip
struct CloseZip {
  void operator()(zip_t* archive) const { zip_discard(archive); }
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

Result<std::string> read_entry(zip_t* archive, zip_uint64_t index, const zip_stat_t& facts,
                               Budget& budget) {
  const bool known = (facts.valid & ZIP_STAT_COMP_METHOD) != 0 &&
                     (facts.comp_method == ZIP_CM_STORE || facts.comp_method == ZIP_CM_DEFLATE);
  if (!known) return fail(ErrorKind::bad_data, "zip: packed by a method that is not deflate");
  if ((facts.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 && facts.encryption_method != ZIP_EM_NONE)
    return fail(ErrorKind::bad_data, "zip: it is encrypted");
  const std::unique_ptr<zip_file_t, CloseZip> file(zip_fopen_index(archive, index, 0));
  if (!file) return fail(ErrorKind::bad_data, fmt::format("zip: {}", zip_strerror(archive)));
  const auto packed = std::max<std::size_t>(facts.comp_size, 1);
  std::string out;
  Piece piece;
  for (;;) {
    const zip_int64_t count = zip_fread(file.get(), piece.data(), piece.size());
    if (count < 0) return fail(ErrorKind::bad_data, "zip: an entry is damaged");
    if (count == 0) return out;  // libzip has compared the checksum
    const auto fresh = static_cast<std::size_t>(count);
    TRY(budget.take(fresh, out.size() + fresh, packed));
    out.append(piece.data(), fresh);
  }
}

Result<std::vector<UnpackedFile>> read_zip(std::string_view packed, Budget& budget) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(packed.data(), packed.size(), 0, &error);
  zip_t* opened = source ? zip_open_from_source(source, ZIP_RDONLY, &error) : nullptr;
  if (!opened) {
    const std::string why = zip_error_strerror(&error);
    if (source) zip_source_free(source);
    zip_error_fini(&error);
    return fail(ErrorKind::bad_data, fmt::format("zip: {}", why));
  }
  zip_error_fini(&error);
  const std::unique_ptr<zip_t, CloseZip> archive(opened);
  const auto count = static_cast<std::uint64_t>(zip_get_num_entries(opened, 0));
  if (count > budget.limits.entries)
    return fail(ErrorKind::bad_data,
                fmt::format("zip: {} entries, at most {}", count, budget.limits.entries));
  std::vector<UnpackedFile> files;
  for (std::uint64_t index = 0; index < count; ++index) {
    zip_stat_t facts;
    if (zip_stat_index(opened, index, 0, &facts) != 0)
      return fail(ErrorKind::bad_data, fmt::format("zip: {}", zip_strerror(opened)));
    std::string name = (facts.valid & ZIP_STAT_NAME) != 0 ? facts.name : "";
    if (name.ends_with('/')) continue;  // a folder
    files.push_back({std::move(name), TRY(read_entry(opened, index, facts, budget))});
  }
  return files;
}

Result<void> open_into(std::vector<UnpackedFile>& files, UnpackedFile file, std::size_t depth,
                       Budget& budget) {
  const Packing packing = packing_of(file.octets);
  if (packing == Packing::none) {
    files.push_back(std::move(file));
    return {};
  }
  if (depth == budget.limits.depth)
    return fail(ErrorKind::bad_data,
                fmt::format("packed more than {} times over", budget.limits.depth));
  if (packing != Packing::zip) {
    file.octets = TRY(inflate_all(file.octets, budget));
    return open_into(files, std::move(file), depth + 1, budget);
  }
  for (auto& each : TRY(read_zip(file.octets, budget))) {
    TRY(open_into(files, std::move(each), depth + 1, budget));
    if (files.size() > budget.limits.entries)
      return fail(ErrorKind::bad_data, fmt::format("more than {} files", budget.limits.entries));
  }
  return {};
}

}  // namespace

Packing packing_of(std::string_view octets) {
  if (octets.starts_with("\x1F\x8B")) return Packing::gzip;
  if (octets.starts_with(std::string_view("PK\x03\x04", 4)) ||
      octets.starts_with(std::string_view("PK\x05\x06", 4)))
    return Packing::zip;
  // RFC 1950 §2.2: the method is deflate, and the two octets are a multiple of 31.
  if (octets.size() > 6 && octets[0] == '\x78' &&
      (0x78 * 256 + static_cast<unsigned char>(octets[1])) % 31 == 0)
    return Packing::zlib;
  return Packing::none;
}

Result<std::vector<UnpackedFile>> unpack(std::string_view packed, UnpackLimits limits) {
  if (packed.size() > limits.packed_octets)
    return fail(ErrorKind::bad_data,
                fmt::format("{} octets, at most {}", packed.size(), limits.packed_octets));
  Budget budget{limits, limits.octets};
  std::vector<UnpackedFile> files;
  TRY(open_into(files, UnpackedFile{{}, std::string(packed)}, 0, budget));
  return files;
}

std::string gzip(std::string_view octets) {
  z_stream stream{};
  CHECK(deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) ==
        Z_OK);
  std::string out(deflateBound(&stream, octets.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(octets.data()));
  stream.avail_in = static_cast<uInt>(octets.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace goniec
