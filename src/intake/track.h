// Opens and clicks: an image put into the HTML of a message, and its links led by way of this
// house. Off unless the stream or the message asks for it; done before DKIM, on what was submitted
// here.
//
//   <img src="https://mail.example.pl/o/WORD.gif">     before </body> of the first HTML part
//   href="https://mail.example.pl/c/WORD"              of http and https links
//
// Words are signed and hold the target: no link leads where the sender did not say. Left alone are
// text parts, attachments, links marked `data-goniec-no-track` (or below such a tag), links of
// other schemes, and our own. A message is left as it is, and the reason told, when it is signed or
// encrypted already, larger than TrackLimits, or broken as MIME. Pure; parses HTML (mail/html.h),
// so it belongs on the offload pool.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "trust/link_token.h"

namespace goniec {

inline constexpr std::string_view no_track_attribute = "data-goniec-no-track";

struct TrackLimits {
  std::size_t body_octets = 256 * 1024;  // of a message: what intake holds anyway
  std::size_t links = 500;               // of a message; those beyond stay as they are
  std::size_t line_octets = 990;         // RFC 5322 §2.1.1, where the encoding keeps lines
};

struct TrackPlan {
  bool opens = false, clicks = false;
  LinkToken base;  // message, stream, address
  std::string web_url;
  std::shared_ptr<const LinkTokens> tokens;
};

struct TrackedBody {
  std::string body;  // as it is to be sent
  std::size_t links = 0;
  bool image = false;
  std::string why_not;  // "signed", "too_large", "no_html", "broken"; "": something was changed
};

// May a message with this header be changed? "": yes, else why not.
std::string why_not_tracked(std::string_view header);
TrackedBody track_body(std::string_view header, std::string body, const TrackPlan& plan,
                       const TrackLimits& limits = {});

}  // namespace goniec
