// Which addresses are in the networks of trusted_proxies.
#include "proxy/trusted_proxies.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using gatehouse::proxy::TrustedProxies;

namespace {
bool contains(const TrustedProxies& trusted, const char* address) {
    return trusted.contains(boost::asio::ip::make_address(address));
}
} // namespace

TEST_CASE("an address is trusted when it is in one of the networks") {
    struct Row {
        std::vector<std::string> networks;
        const char* address;
        bool trusted;
    };
    const std::vector<Row> rows = {
        {{}, "127.0.0.1", false},
        {{}, "::1", false},
        {{"10.0.0.0/8"}, "9.255.255.255", false},
        {{"10.0.0.0/8"}, "10.0.0.0", true},
        {{"10.0.0.0/8"}, "10.255.255.255", true},
        {{"10.0.0.0/8"}, "11.0.0.0", false},
        {{"10.1.2.3/8"}, "10.9.9.9", true},
        {{"192.0.2.7/32"}, "192.0.2.6", false},
        {{"192.0.2.7/32"}, "192.0.2.7", true},
        {{"192.0.2.7/32"}, "192.0.2.8", false},
        {{"192.0.2.6/31"}, "192.0.2.7", true},
        {{"192.0.2.6/31"}, "192.0.2.5", false},
        {{"0.0.0.0/0"}, "255.255.255.255", true},
        {{"0.0.0.0/0"}, "2001:db8::1", false},
        {{"::/0"}, "2001:db8::1", true},
        {{"::/0"}, "192.0.2.1", false},
        {{"2001:db8::/33"}, "2001:db8:7fff::1", true},
        {{"2001:db8::/33"}, "2001:db8:8000::1", false},
        {{"::1/128"}, "::1", true},
        {{"::1/128"}, "::2", false},
        {{"10.0.0.0/8"}, "::ffff:10.1.2.3", true}, // as a listener on [::] sees it
        {{"10.0.0.0/8"}, "::ffff:11.1.2.3", false},
        {{"::ffff:10.0.0.0/104"}, "10.1.2.3", true},
        {{"::ffff:10.0.0.0/104"}, "::ffff:10.1.2.3", true},
        {{"::ffff:10.0.0.0/104"}, "11.1.2.3", false},
        {{"10.0.0.0/8"}, "::10.1.2.3", false}, // an address of another kind
        {{"192.0.2.0/24", "2001:db8::/32"}, "2001:db8::1", true},
        {{"192.0.2.0/24", "2001:db8::/32"}, "192.0.2.1", true},
        {{"192.0.2.0/24", "2001:db8::/32"}, "198.51.100.1", false},
        {{"no network", "10.0.0.0/33", "", "10.0.0.0/8"}, "10.0.0.1", true},
    };
    for (const Row& row : rows) {
        CAPTURE(row.networks.empty() ? std::string() : row.networks.front());
        CAPTURE(row.address);
        CHECK(contains(TrustedProxies(row.networks), row.address) == row.trusted);
    }
}
