// Sets of names that are known when the program is compiled.
#include "http/name_set.h"

#include <doctest/doctest.h>

#include <string>

using gatehouse::http::NameSet;

TEST_CASE("a set of names contains its own in any case, and nothing that only resembles them") {
    static constexpr NameSet kNames{"Host", "TE", "Proxy-Authentication-Info"};
    for (const std::string name : {"Host", "host", "HOST", "te", "Te", "PROXY-authentication-INFO"}) {
        CAPTURE(name);
        CHECK(kNames.contains(name));
    }
    for (const std::string name : {"", "H", "Hos", "Hosts", "Hoss", "hos\x14", "T", "TEE", "Proxy-Authentication-Inf", "Proxy-Authentication-Info ",
                                   "Age", "XE"}) {
        CAPTURE(name);
        CHECK_FALSE(kNames.contains(name));
    }
}
