// A client's request turned into what the origin is sent: pure, from values.
#pragma once

#include "cache/policy/facts.h"
#include "cache/policy/partial.h"
#include "cache/policy/stored_head.h"
#include "config/config.h"
#include "http/framing.h"
#include "http/message.h"
#include "http/target.h"

#include <optional>
#include <string>
#include <string_view>

namespace gatehouse::proxy {

struct OriginRequestFacts {
    const http::RequestHead& client;
    const http::Target& target;
    const cache::policy::RequestFacts& facts;
    const config::Behavior& behavior;
    std::string_view client_address;
    std::string_view scheme; // what the client spoke
    bool trusted_client = false;
    // The answer is fetched to be stored: asked for whole and without the client's own conditions, and a HEAD asks
    // with GET, so that one request serves both.
    bool for_store = false;
    // A conditional request about this stored response.
    const cache::policy::StoredHead* validate = nullptr;
    // What is missing of a response that is stored in part is asked for.
    const cache::policy::Completion* completion = nullptr;
    bool as_part = false; // the client's Range stays: a part is to be stored
    bool has_content = false;
};

struct OriginRequest {
    http::RequestHead head; // request line and end-to-end fields, Host first; no framing fields
    http::Method method = http::Method::Get;
    bool cookie_unkeyed = false;  // a Cookie that the key does not contain is forwarded
    bool expects_continue = false;
    bool upgrade = false;
};

OriginRequest make_origin_request(const OriginRequestFacts& facts);
// The head's bytes with its framing: "GET /prod/x HTTP/1.1\r\nHost: ...\r\n...\r\n\r\n".
std::string serialise(const OriginRequest& request, const http::Framing& framing);
// Without the condition, and for the whole unless a part is wanted, after an answer that fitted nothing stored.
void ask_anew(OriginRequest& request, bool as_part);

} // namespace gatehouse::proxy
