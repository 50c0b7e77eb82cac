// The registrable ("primary") domain of a name by the Public Suffix List, with libpsl: for counting
// and showing what belongs together. No judgement uses it: DMARC walks the tree (RFC 9989 §4.10).
//
//   "a.b.example.co.uk" -> "example.co.uk"      "co.uk", "localhost" -> "" (nothing registrable)
//
// load() reads the list that the system keeps up to date, else the one built into libpsl.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace goniec {

class PublicSuffixes {
 public:
  static PublicSuffixes load();
  static Result<PublicSuffixes> read(const std::string& path);  // a public_suffix_list.dat
  PublicSuffixes(PublicSuffixes&&) noexcept;
  PublicSuffixes& operator=(PublicSuffixes&&) noexcept;
  ~PublicSuffixes();

  // "" when there is none: the name is a suffix itself, or no name. In the letters of the question
  // (U-labels or A-labels), lower case.
  std::string registrable(std::string_view domain) const;

 private:
  struct List;
  explicit PublicSuffixes(std::unique_ptr<List> list);
  std::unique_ptr<List> list_;
};

}  // namespace goniec
