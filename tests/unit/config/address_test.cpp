// Addresses, networks and name servers as text.
#include "config/address.h"

#include <doctest/doctest.h>

#include <string>

using namespace gatehouse::config;

namespace {

struct TcpRow {
    std::string text;
    std::string host;
    int port;
};

const TcpRow kTcp[] = {
    {"0.0.0.0:8080", "0.0.0.0", 8080},
    {"127.0.0.1:0", "127.0.0.1", 0},
    {"127.0.0.1:65535", "127.0.0.1", 65535},
    {"[::1]:8080", "::1", 8080},
    {"[::]:80", "::", 80},
    {"[2001:DB8:0:0::1]:1", "2001:db8::1", 1},
    {"[::ffff:127.0.0.1]:1", "::ffff:127.0.0.1", 1},
};

const std::string kNoAddress[] = {
    "",
    "8080",
    ":8080",
    "127.0.0.1",
    "127.0.0.1:",
    "127.0.0.1:65536",
    "127.0.0.1:-1",
    "127.0.0.1:8080 ",
    "127.0.0.1: 80",
    "localhost:8080",
    "::1:8080",
    "[::1]",
    "[::1]8080",
    "[127.0.0.1]:80",
    "127.0.1:80",
    "127.0.0.256:80",
    "0127.0.0.1:80",
    "*:80",
    "unix:",
    "unix:/",
    "unix:relative",
    "http://127.0.0.1:80",
    "127.0.0.1:080000",
    std::string("127.0.0.1\0:80", 13),
};

struct CidrRow {
    std::string text;
    std::string normal; // "" when it is none
};

const CidrRow kCidrs[] = {
    {"10.0.0.0/8", "10.0.0.0/8"},
    {"10.1.2.3/8", "10.0.0.0/8"},
    {"10.1.2.3/31", "10.1.2.2/31"},
    {"10.1.2.3/32", "10.1.2.3/32"},
    {"10.1.2.3/33", ""},
    {"10.1.2.3", "10.1.2.3/32"},
    {"10.1.2.3/0", "0.0.0.0/0"},
    {"172.31.255.255/12", "172.16.0.0/12"},
    {"::1", "::1/128"},
    {"2001:db8:ffff::1/32", "2001:db8::/32"},
    {"2001:db8:ffff::1/127", "2001:db8:ffff::/127"},
    {"2001:db8:ffff::1/128", "2001:db8:ffff::1/128"},
    {"2001:db8:ffff::1/129", ""},
    {"::/0", "::/0"},
    {"10.0.0.0/", ""},
    {"10.0.0.0/a", ""},
    {"10.0.0.0/-1", ""},
    {"10.0.0/8", ""},
    {"/8", ""},
    {"", ""},
    {"localhost", ""},
    {"10.0.0.0/8/8", ""},
};

struct ServerRow {
    std::string text;
    bool accepted;
};

const ServerRow kServers[] = {
    {"192.0.2.53", true},        {"192.0.2.53:5353", true},
    {"2001:db8::53", true},      {"[2001:db8::53]:53", true},
    {"192.0.2.53:0", false},     {"192.0.2.53:65535", true},
    {"192.0.2.53:65536", false}, {"dns.example", false},
    {"[2001:db8::53]", false},   {"", false},
    {"192.0.2.53:", false},
};

} // namespace

TEST_CASE("parse_address reads IP literals with a port") {
    for (const TcpRow& row : kTcp) {
        CAPTURE(row.text);
        const auto address = parse_address(row.text);
        REQUIRE(address.has_value());
        CHECK(address->kind == Address::Kind::Tcp);
        CHECK(address->host == row.host);
        CHECK(address->port == row.port);
        CHECK(address->text == row.text);
    }
}

TEST_CASE("parse_address refuses everything else") {
    for (const std::string& text : kNoAddress) {
        CAPTURE(text);
        CHECK_FALSE(parse_address(text).has_value());
    }
}

TEST_CASE("A Unix path has room for 107 bytes") {
    const auto with_length = [](std::size_t length) { return parse_address("unix:/" + std::string(length - 1, 'x')); };
    CHECK(with_length(106).has_value());
    CHECK(with_length(107).has_value());
    CHECK_FALSE(with_length(108).has_value());
    const auto address = parse_address("unix:/run/gatehouse.sock");
    REQUIRE(address.has_value());
    CHECK(address->kind == Address::Kind::Unix);
    CHECK(address->path == "/run/gatehouse.sock");
}

TEST_CASE("endpoint_key tells apart what the system tells apart") {
    CHECK(endpoint_key(*parse_address("[0:0::1]:80")) == endpoint_key(*parse_address("[::1]:80")));
    CHECK(endpoint_key(*parse_address("127.0.0.1:80")) != endpoint_key(*parse_address("127.0.0.1:81")));
    CHECK(endpoint_key(*parse_address("unix:/a")) != endpoint_key(*parse_address("unix:/b")));
    CHECK(endpoint_key(*parse_address("127.0.0.1:0")).empty());
}

TEST_CASE("parse_cidr gives canonical text") {
    for (const CidrRow& row : kCidrs) {
        CAPTURE(row.text);
        CHECK(parse_cidr(row.text).value_or("") == row.normal);
    }
}

TEST_CASE("is_dns_server accepts addresses with or without a port") {
    for (const ServerRow& row : kServers) {
        CAPTURE(row.text);
        CHECK(is_dns_server(row.text) == row.accepted);
    }
}
