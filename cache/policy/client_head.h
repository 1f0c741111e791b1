// What the rules of a behavior make of the head that one client gets: what it is told about the lifetime, the entity
// tag, and the response headers policies. Decided once for each answer, from values; nothing is allocated.
//
// A behavior without such rules (Behavior::shapes_responses) has no ClientHead, and nothing is asked.
#pragma once

#include "cache/policy/response_headers.h"
#include "cache/policy/stored_head.h"

#include <string>
#include <string_view>

namespace gatehouse::cache::policy {

// What is asked about; all of it outlives the ClientHead.
struct ClientHeadFacts {
    const config::Behavior& behavior;
    const http::RequestHead& request;
    const StoredHead& stored; // under_etag_rule
    bool may_be_stored;       // the request left it open that its answer is stored
    WallTime now;
    // Of an error page: the lines that take the place of those that belong to the error (error_page.h).
    const std::string* error_lines = nullptr;
    const std::string* error_vary = nullptr; // and those that stand beside the page's own
};

class ClientHead {
public:
    // `status`: what is sent where it stands for itself (416), else that of the stored response, which a 304 and a 206
    // made of it follow.
    ClientHead(const ClientHeadFacts& facts, int status);

    // Whether the lifetime is Gatehouse's own word. Then it speaks as the origin: Date is now, and there is no Age.
    // RFC 9110 section 3.7
    // An error page has both of the error.
    bool speaks_as_origin() const noexcept { return lifetime_ != nullptr || error_lines_ != nullptr; }
    // Whether the stored line of that name is left out.
    bool drops(std::string_view name) const noexcept;
    // Appends what takes its place, but for the names that `skips` tells (null: none).
    void append(std::string& out, const StoredHead& stored, SkipName skips) const;

private:
    void append_error_vary(std::string& out, const StoredHead& stored) const;

    const config::ClientCacheControl::Value* lifetime_ = nullptr;
    config::EtagRule etag_;
    WallTime now_;
    const std::string* error_lines_;
    const std::string* error_vary_;
    HeadersInForce headers_;
};

} // namespace gatehouse::cache::policy
