// What of a request decides its target, for tables.
#pragma once

#include "http/message.h"
#include "http/target.h"

#include <string_view>
#include <vector>

namespace gatehouse::http::testing {

struct Given {
    std::string_view target = "/";
    std::vector<std::string_view> hosts = {"example.com"};
    Version version = Version::Http11;
    std::string_view method = "GET";
    std::string_view scheme = "http";
};

inline RequestHead head_of(const Given& given) {
    RequestHead head;
    head.method = given.method;
    head.target = given.target;
    head.version = given.version;
    for (const std::string_view host : given.hosts) {
        head.fields.add("Host", host);
    }
    return head;
}

inline Result<Target> parse(const Given& given) { return parse_target(head_of(given), given.scheme, "default.test"); }

} // namespace gatehouse::http::testing
