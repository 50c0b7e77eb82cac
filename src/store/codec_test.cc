// Rows of entries: what was encoded comes back, with a sender of its own and without, and the rows
// of before there was one read as ever.
#include "store/codec.h"

#include <gtest/gtest.h>

namespace goniec {
namespace {

StoredEntry entry(std::string_view sender, bool local) {
  StoredEntry stored;
  stored.entry.id = {MessageId{77}, 3};
  stored.entry.domain = *Domain::parse("far.org");
  stored.entry.local = local;
  if (!sender.empty()) stored.entry.sender = *Address::parse(sender);
  stored.entry.due = from_microseconds(5);
  stored.entry.recipients.resize(1);
  stored.entry.recipients[0].recipient.address = *Address::parse("x@far.org");
  return stored;
}

TEST(Codec, AnEntryComesBackWithItsSender) {
  for (const char* sender :
       {"", "SRS0=HASH=AA=a.test=anna@ours.test", "\"SRS0=H=A=[::1]=a b\"@o.t"}) {
    for (const bool local : {false, true}) {
      std::string row;
      encode_entry(entry(sender, local), row);
      const auto back = decode_entry(row, {MessageId{77}, 3});
      ASSERT_TRUE(back.has_value());
      EXPECT_EQ(back->entry.sender.text(), sender);
      EXPECT_EQ(back->entry.local, local);
      EXPECT_EQ(back->entry.due, from_microseconds(5));
      EXPECT_EQ(back->entry.recipients.at(0).recipient.address.text(), "x@far.org");
    }
  }
}

// What is mail without an alias costs not one octet more than before.
TEST(Codec, AnEntryWithoutASenderOfItsOwnIsTheRowOfFormat3) {
  std::string plain, forwarded;
  encode_entry(entry("", true), plain);
  encode_entry(entry("a@b.cd", true), forwarded);
  EXPECT_EQ(forwarded.size(), plain.size() + 7);  // two lengths, 'a', "b.cd"
}

}  // namespace
}  // namespace goniec
