// GET /api/v1/openapi.json: the contract itself, for whoever makes a client from it. It is
// src/api/openapi.yaml, turned into JSON and compiled in at build (cmake/contract.py); nobody needs
// a key to read it.
#pragma once
#include "api/call.h"

namespace goniec {

std::string_view contract_json();  // in a source that is written at build

Task<ApiReply> show_contract(ApiContext& context, ApiCall call);

}  // namespace goniec
