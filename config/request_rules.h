// What a behavior asks of a request, and what of it the origin gets.
#pragma once

#include "config/basics.h"
#include "config/rule_test.h"

#include <cstdint>
#include <string>
#include <vector>

namespace gatehouse::config {

// Which names of a list take part: query strings, headers, cookies, in a key or towards the origin.
struct NameSelection {
    enum class Mode : std::uint8_t { All, None, Allow, Except };
    Mode mode = Mode::All;
    std::vector<std::string> names; // for Allow and Except; `*` at the end of a name is a glob
};

// What a request must be like beside its path. All that is given must hold.
struct RequestConditions {
    std::vector<std::string> hosts;   // any of them; patterns in lower case; without a port: every port
    std::vector<std::string> methods; // any of them
    std::vector<NamePattern> headers; // all of them, in any of a field's lines
    std::vector<std::string> without_headers;
    std::vector<NamePattern> query_strings; // all of them, in any parameter of the name, as the URL writes it
    bool empty() const noexcept;
    // The same text for the same conditions, in whatever order they were written.
    std::string text() const;
};

// What is forwarded to the origin although the key does not have it.
struct ForwardOnly {
    NameSelection query_strings{NameSelection::Mode::None, {}};
    NameSelection cookies{NameSelection::Mode::None, {}};
};

// What the origin gets of a request that may be answered from the cache, beside what the key has. Everything else is
// forwarded whole.
struct OriginRequestRules {
    // Fields; those that the proxy writes itself, that the key has, and that speak of content are always forwarded.
    NameSelection headers{NameSelection::Mode::All, {}};
    std::vector<HeaderLine> set; // values are templates: origin_template.h
    std::vector<std::string> remove;
    bool any() const noexcept { return headers.mode != NameSelection::Mode::All || !set.empty() || !remove.empty(); }
};

// What the origins of behaviors that name it get, as CloudFront's origin request policies say it: fields, cookies and
// parameters beside those of the key.
struct OriginRequestPolicy {
    std::string name;
    OriginRequestRules rules;
    ForwardOnly beside;
    bool viewer_host = false; // Host is what the client sent
    SourcePlace place;
};

} // namespace gatehouse::config
