// Who gets no mail of a stream (accounts/suppressions.h), as a list that programs and people keep;
// "can I mail this address?"; and the streams themselves (accounts/streams.h). The shapes are those
// of openapi.yaml; an unknown member of a body is refused by name. A change is durable when its
// call answers.
//
// The id of a suppression is "stream/address"; where one address is given instead, all its entries
// are meant. Entries are made by hand here: reason `manual` and all streams where nothing is said.
#pragma once
#include "api/call.h"

namespace goniec {

struct SuppressionCallLimits {
  std::size_t batch = 1000;          // entries of one body
  std::size_t exported = 1'000'000;  // rows of one export
};

Task<ApiReply> list_suppressions(ApiContext& context, ApiCall call);
Task<ApiReply> add_suppression(ApiContext& context, ApiCall call);
Task<ApiReply> get_suppression(ApiContext& context, ApiCall call);
Task<ApiReply> remove_suppression(ApiContext& context, ApiCall call);
Task<ApiReply> change_suppressions(ApiContext& context, ApiCall call);  // batch/add, batch/remove
Task<ApiReply> export_suppressions(ApiContext& context, ApiCall call);
Task<ApiReply> check_recipient(ApiContext& context, ApiCall call);

Task<ApiReply> list_streams(ApiContext& context, ApiCall call);
Task<ApiReply> add_stream(ApiContext& context, ApiCall call);
Task<ApiReply> get_stream(ApiContext& context, ApiCall call);
Task<ApiReply> change_stream(ApiContext& context, ApiCall call);
Task<ApiReply> rotate_link_secret(ApiContext& context, ApiCall call);

}  // namespace goniec
