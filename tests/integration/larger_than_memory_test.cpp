// A response larger than the memory budget passes through, whole.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

namespace {

constexpr std::size_t kPiece = 64 * 1024;
constexpr int kPieces = 600; // 37.5 MiB

char letter(int piece) { return static_cast<char>('a' + piece % 26); }

void send_pieces(OriginExchange& x) {
    for (int i = 0; i < kPieces; ++i) {
        x.send(std::string(kPiece, letter(i)));
    }
}

bool is_whole(const std::string& content) {
    if (content.size() != kPiece * kPieces) {
        return false;
    }
    for (int i = 0; i < kPieces; ++i) {
        const std::string_view piece = std::string_view(content).substr(static_cast<std::size_t>(i) * kPiece, kPiece);
        if (piece.find_first_not_of(letter(i)) != std::string_view::npos) {
            return false;
        }
    }
    return true;
}

} // namespace

TEST_CASE("a response known to be too large is not collapsed, not stored, and arrives whole") {
    ScriptedOrigin origin;
    origin.on("/huge", [](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: " + std::to_string(kPiece * kPieces) +
               "\r\n\r\n");
        send_pieces(x);
    });
    Yaml yaml;
    yaml.memory = "size: 8MiB";
    ProxyUnderTest proxy(origin, yaml);
    for (int i = 1; i <= 2; ++i) {
        const Response response = proxy.get("/huge");
        CHECK(is_whole(response.content));
        CHECK(response.get("Cache-Status").ends_with("; detail=response_too_large"));
        CHECK(origin.requests() == i);
    }
    CHECK(proxy.server().store_stats().objects == 0);
    CHECK(proxy.server().store_stats().bytes_used <= 8 * 1024 * 1024);
}

TEST_CASE("a response that turns out to be too large passes through, and the next is not waited for") {
    ScriptedOrigin origin;
    origin.on("/huge", [](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nConnection: close\r\n\r\n");
        send_pieces(x);
        x.close();
    });
    Yaml yaml;
    yaml.memory = "size: 8MiB";
    ProxyUnderTest proxy(origin, yaml);
    CHECK(is_whole(proxy.get("/huge").content));
    CHECK(proxy.metric("gatehouse_not_stored_total", "response_too_large") == 1);
    CHECK(is_whole(proxy.get("/huge").content));
    CHECK(origin.requests() == 2);
    CHECK(proxy.server().store_stats().objects == 0);
}
