// Bodies that lie in files on their way out: what the kernel sends from there, and what comes before and behind it.
#include "tests/unit/proxy/output_queue_support.h"

#include "tests/store/disk_tools.h"
#include "tests/support/child_process.h"

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace gatehouse;
using namespace gatehouse::proxy::testing;
using proxy::OutputQueue;

namespace {

// Two ends of a TCP connection on loopback, whose packets the kernel counts.
class TcpPair {
public:
    TcpPair() {
        const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* const plain = reinterpret_cast<sockaddr*>(&address);
        REQUIRE(::bind(listener, plain, size) == 0);
        REQUIRE(::listen(listener, 1) == 0);
        REQUIRE(::getsockname(listener, plain, &size) == 0);
        near_ = ::socket(AF_INET, SOCK_STREAM, 0);
        REQUIRE(::connect(near_, plain, size) == 0);
        far_ = ::accept(listener, nullptr, nullptr);
        REQUIRE(far_ >= 0);
        ::close(listener);
        const int on = 1;
        REQUIRE(::setsockopt(near_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    }
    ~TcpPair() {
        ::close(near_);
        ::close(far_);
    }
    TcpPair(const TcpPair&) = delete;
    TcpPair& operator=(const TcpPair&) = delete;
    int near_end() const { return near_; }
    std::uint32_t packets_sent() const {
        // tcpi_data_segs_out of Linux 4.6 and later, which the tcp_info of netinet/tcp.h does not have.
        constexpr std::size_t kDataSegmentsOutAt = 156;
        std::array<char, 512> info{};
        socklen_t size = info.size();
        REQUIRE(::getsockopt(near_, IPPROTO_TCP, TCP_INFO, info.data(), &size) == 0);
        REQUIRE(size >= kDataSegmentsOutAt + sizeof(std::uint32_t));
        std::uint32_t packets = 0;
        std::memcpy(&packets, info.data() + kDataSegmentsOutAt, sizeof packets);
        return packets;
    }

private:
    int near_ = -1;
    int far_ = -1;
};

// A body in pieces of a file each.
class FilePieces {
public:
    explicit FilePieces(const std::vector<std::string>& pieces) {
        std::vector<cache::store::FileBody::Piece> list;
        for (std::size_t i = 0; i < pieces.size(); ++i) {
            paths.push_back(directory_.write("piece" + std::to_string(i), "before" + pieces[i] + "behind"));
            auto file = files.open(paths.back());
            REQUIRE(file);
            list.push_back({std::move(*file), 6, pieces[i].size()});
            text += pieces[i];
        }
        body = std::make_shared<const cache::store::FileBody>(list);
    }
    std::shared_ptr<const cache::store::FileBody> body;
    std::string text;
    std::vector<std::string> paths;
    cache::store::testing::HookedFiles files;

private:
    testing::ScratchDirectory directory_;
};

} // namespace

TEST_CASE(
    "bodies that lie in files leave in their place between text and others, whatever the socket takes at a time") {
    const FilePieces file({letters(300'000, 1), letters(5, 2), letters(100'000, 3)});
    const Chain chain(2, 64);
    Pair pair;
    OutputQueue queue;
    std::string expected;
    const auto text = [&](const std::string& more) {
        queue.append(more);
        expected += more;
    };
    const auto span = [&](std::size_t first, std::size_t bytes) {
        queue.append_file(file.body, first, bytes);
        expected += file.text.substr(first, bytes);
    };
    text("head\r\n");
    span(0, file.text.size());
    text("next head\r\n");
    queue.append_body(chain.cursor(), chain.text.size(), nullptr);
    expected += chain.text;
    span(299'999, 7);
    span(12, 0);
    span(400'000, 5);
    text("end");
    CHECK(queue.pending_bytes() == expected.size());
    CHECK(pair.receive_all(queue) == expected);
    CHECK(queue.sent_bytes() == expected.size());
    CHECK(queue.pending_bytes() == 0);
}

TEST_CASE("what comes before a body in a file arrives whole and in order, wherever in a page the body begins") {
    constexpr std::size_t kPage = 4096;
    constexpr std::size_t kBefore = 6; // in the file
    const FilePieces file({letters(100'000, 1)});
    struct Row {
        const char* name;
        std::size_t first;
        std::size_t bytes;
    };
    for (const Row& row : {Row{"within a page", 0, 100'000}, Row{"with a page", kPage - kBefore, 50'000},
                           Row{"one byte before a page", kPage - kBefore - 1, 50'000},
                           Row{"one byte behind its beginning", kPage - kBefore + 1, 50'000},
                           Row{"with a page, one byte", 2 * kPage - kBefore, 1}}) {
        for (const int room : {1, 1 << 20}) {
            CAPTURE(row.name);
            CAPTURE(room);
            Pair pair(room);
            OutputQueue queue;
            queue.append("head");
            queue.append_file(file.body, row.first, row.bytes);
            queue.append("next head");
            queue.append_file(file.body, row.first, row.bytes);
            const std::string part = file.text.substr(row.first, row.bytes);
            CHECK(pair.receive_all(queue) == "head" + part + "next head" + part);
        }
    }
}

TEST_CASE("what comes before a body in a file leaves with it in one packet, if the body begins with a page") {
    constexpr std::size_t kPage = 4096;
    constexpr std::size_t kBefore = 6; // in the file
    const FilePieces file({letters(20'000, 1)});
    const auto packets = [&file](std::size_t first) {
        const TcpPair pair;
        OutputQueue queue;
        queue.append("head");
        queue.append_file(file.body, first, 5000);
        REQUIRE(queue.try_flush(pair.near_end()) == Flush::Done);
        return pair.packets_sent();
    };
    CHECK(packets(kPage - kBefore) == 1);
    CHECK(packets(kPage - kBefore - 1) == 2); // sent apart: within a page the kernel is slower (bench/README.md)
    CHECK(packets(kPage - kBefore + 1) == 2);
    CHECK(file.body->begins_with_page_at(kPage - kBefore));
    CHECK_FALSE(file.body->begins_with_page_at(kPage - kBefore + 1));
}

TEST_CASE("what of a file has left the kernel's memory while the socket had no room is not sent before it is read in") {
    FilePieces file({letters(300'000, 1), letters(1000, 2)});
    Pair pair;
    OutputQueue queue;
    queue.append("head");
    queue.append_file(file.body, 0, 300'000);
    queue.append("next head");
    queue.append_file(file.body, 300'000, 1000);
    REQUIRE(queue.try_flush(pair.near_end()) ==
            Flush::WouldBlock); // what was at hand when it was queued is sent at once
    file.files.nothing_at_hand = true;
    std::string received = pair.receive(1'000'000);
    CHECK(queue.try_flush(pair.near_end()) == Flush::NotAtHand);
    CHECK(queue.next_file().body == file.body);
    CHECK(queue.next_file().first == queue.sent_bytes() - 4);
    CHECK(queue.next_file().bytes == 300'000 - queue.next_file().first);
    CHECK(queue.try_flush(pair.near_end()) == Flush::NotAtHand); // asked again, it is still not
    int read_in = 0;
    for (Flush state = Flush::NotAtHand; state != Flush::Done; state = queue.try_flush(pair.near_end())) {
        REQUIRE(state != Flush::Failed);
        if (state == Flush::NotAtHand) {
            queue.file_was_read_in();
            ++read_in;
        }
        received += pair.receive(1'000'000);
    }
    received += pair.receive(1'000'000);
    CHECK(received == "head" + file.text.substr(0, 300'000) + "next head" + file.text.substr(300'000));
    CHECK(read_in > 2); // after each time that there was no room, and for the second body
}

TEST_CASE("a file that became shorter fails the queue") {
    const FilePieces file({letters(1000)});
    std::filesystem::resize_file(file.paths[0], 500);
    Pair pair;
    OutputQueue queue;
    queue.append("head");
    queue.append_file(file.body, 0, 1000);
    CHECK(queue.try_flush(pair.near_end()) == Flush::Failed);
    CHECK(queue.error() == EIO);
}
