// See contract.h.
// The document is a constant of the program: what a client reads is what this very build obeys, and
// tests/api holds the one against the other.
#include "api/contract.h"

namespace goniec {

Task<ApiReply> show_contract(ApiContext&, ApiCall) {
  co_return ApiReply{200, "application/json", std::string(contract_json())};
}

}  // namespace goniec
