# The rooms of the house and the arrows between them: ROOM : the rooms it may include.
# One table for three readers: CMake links by it, `./x tidy` checks every #include against it,
# and docs/ARCHITECTURE.md draws its picture from it. Change it only with a decision in docs/decisions/.
set(GONIEC_ARROWS
  "base     :"
  "mail     : base"
  "proto    : base mail"
  "trust    : base mail proto"
  "run      : base mail proto"
  "store    : base mail run"
  "net      : base mail proto run"
  "queue    : base mail run store"
  "accounts : base mail proto trust run store"
  "intake   : base mail trust run store queue accounts"
  "reading  : base mail proto run net store accounts"
  "inbound  : base mail proto trust run net queue accounts intake"
  "outbound : base mail proto trust run net queue accounts"
  "duties   : base mail proto trust run store net queue accounts intake"
  "api      : base mail trust run net store queue accounts intake"
  "config   : base mail"
  "app      : base mail proto trust run store net queue accounts intake reading inbound outbound duties api config"
)
# Third parties: LIBRARY : the rooms that may link it.
set(GONIEC_THIRD_PARTIES
  "fmt      : base"
  "json     : base"
  "mustache : accounts"
  "crypto   : base trust net"
  "ssl      : net"
  "asio     : net"
  "sodium   : trust"
  "psl      : trust"
  "zlib     : trust"
  "zip      : trust"
  "xml      : trust"
  "unbound  : net"
  "sqlite   : store"
  "idn      : mail"
  "gumbo    : mail"
  "toml     : config"
  "cli      : app"
)
