// Connecting to origins: addresses in turn, deadlines, refusals.
#include "proxy/connector.h"
#include "proxy/dns_channel.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace gatehouse;

namespace {

std::string order_of(const std::vector<std::string>& addresses, std::size_t start) {
    std::vector<boost::asio::ip::address> list;
    for (const std::string& address : addresses) {
        list.push_back(boost::asio::ip::make_address(address));
    }
    std::string order;
    for (const auto& address : proxy::connect_order(list, start)) {
        order += (order.empty() ? "" : " ") + address.to_string();
    }
    return order;
}

} // namespace

TEST_CASE("Addresses are tried in turn, the families alternating, each beginning elsewhere") {
    struct Row {
        std::vector<std::string> addresses;
        std::size_t start;
        const char* order;
    };
    const std::vector<Row> rows = {
        {{"192.0.2.1"}, 0, "192.0.2.1"},
        {{"192.0.2.1"}, 7, "192.0.2.1"},
        {{"192.0.2.1", "192.0.2.2", "192.0.2.3"}, 0, "192.0.2.1 192.0.2.2 192.0.2.3"},
        {{"192.0.2.1", "192.0.2.2", "192.0.2.3"}, 1, "192.0.2.2 192.0.2.3 192.0.2.1"},
        {{"192.0.2.1", "192.0.2.2", "192.0.2.3"}, 3, "192.0.2.1 192.0.2.2 192.0.2.3"},
        {{"192.0.2.1", "192.0.2.2", "192.0.2.3"}, 5, "192.0.2.3 192.0.2.1 192.0.2.2"},
        {{"192.0.2.1", "192.0.2.2", "2001:db8::1"}, 0, "2001:db8::1 192.0.2.1 192.0.2.2"},
        {{"2001:db8::1", "2001:db8::2", "192.0.2.1"}, 0, "2001:db8::1 192.0.2.1 2001:db8::2"},
        {{"2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.2"}, 1, "2001:db8::2 192.0.2.2 2001:db8::1 192.0.2.1"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.order);
        CHECK(order_of(row.addresses, row.start) == row.order);
    }
}

TEST_CASE("DNS servers are written as c-ares reads them") {
    struct Row {
        std::vector<std::string> servers;
        const char* list;
    };
    const std::vector<Row> rows = {
        {{}, ""},
        {{"192.0.2.53"}, "192.0.2.53:53"},
        {{"192.0.2.53:5353"}, "192.0.2.53:5353"},
        {{"2001:db8::53"}, "[2001:db8::53]:53"},
        {{"[2001:db8::53]"}, "[2001:db8::53]:53"},
        {{"[2001:db8::53]:5353"}, "[2001:db8::53]:5353"},
        {{"192.0.2.53", "::1"}, "192.0.2.53:53,[::1]:53"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.list);
        CHECK(proxy::dns_server_list(row.servers) == row.list);
    }
}
