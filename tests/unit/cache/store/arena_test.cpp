// The arena: pieces do not overlap, what is free is found again, and the machine's memory follows the limit.
#include "cache/store/arena.h"

#include "tests/support/sanitizers.h"

#include <atomic>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include <sys/mman.h>

#include <doctest/doctest.h>

using gatehouse::cache::store::Arena;

namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;

struct Piece {
    char* bytes;
    std::size_t size;
    char mark;
};

bool is_whole(const Piece& piece) {
    for (std::size_t i = 0; i < piece.size; i += 1 + piece.size / 64) {
        if (piece.bytes[i] != piece.mark) {
            return false;
        }
    }
    return piece.bytes[piece.size - 1] == piece.mark;
}

// Of the pages from `begin`, by the kernel's account.
std::uint64_t resident_bytes(void* begin, std::size_t bytes) {
    constexpr std::size_t kPage = 4096;
    auto* const from = reinterpret_cast<char*>(reinterpret_cast<std::uintptr_t>(begin) / kPage * kPage);
    std::vector<unsigned char> pages(bytes / kPage + 1);
    REQUIRE(::mincore(from, bytes, pages.data()) == 0);
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < bytes / kPage; ++i) {
        sum += (pages[i] & 1u) != 0 ? kPage : 0;
    }
    return sum;
}

} // namespace

TEST_CASE("arena: pieces are aligned, have the room that was wanted, and say what they take") {
    Arena arena(kMiB);
    for (const std::size_t wanted : {1u, 8u, 16u, 24u, 25u, 1000u, 4096u, 100'000u}) {
        CAPTURE(wanted);
        void* const piece = arena.take(wanted, wanted);
        REQUIRE(piece != nullptr);
        CHECK(reinterpret_cast<std::uintptr_t>(piece) % 16 == 0);
        CHECK(Arena::room_of(piece) >= wanted);
        CHECK(Arena::taken_by(piece) == Arena::taken_for(wanted));
        CHECK(Arena::taken_by(piece) <= wanted + 32);
        CHECK(arena.used() == Arena::taken_by(piece));
        std::memset(piece, 'x', Arena::room_of(piece));
        arena.give_back(piece);
        CHECK(arena.used() == 0);
    }
}

TEST_CASE("arena: what was given back in any order becomes one hole again") {
    constexpr std::size_t kPieces = 64;
    Arena arena(kPieces * 1024 + 16);
    for (const std::size_t step : {1u, 3u, 7u, 63u}) {
        CAPTURE(step);
        std::vector<void*> pieces;
        for (std::size_t i = 0; i < kPieces; ++i) {
            pieces.push_back(arena.take(1000, 1000));
            REQUIRE(pieces.back() != nullptr);
        }
        CHECK(arena.free_bytes() <= 16 * kPieces);
        for (std::size_t i = 0; i < kPieces; ++i) {
            arena.give_back(pieces[i * step % kPieces]);
        }
        void* const all = arena.take(kPieces * 1000, kPieces * 1000);
        REQUIRE(all != nullptr);
        arena.give_back(all);
    }
}

TEST_CASE("arena: where no hole is as large as wanted, the largest will do") {
    Arena arena(kMiB);
    std::vector<void*> pieces;
    while (void* const piece = arena.take(10'000, 10'000)) {
        pieces.push_back(piece);
    }
    while (void* const piece = arena.take(100, 100)) {
        pieces.push_back(piece);
    }
    arena.give_back(pieces[3]);
    arena.give_back(pieces[10]);
    arena.give_back(pieces[11]);
    CHECK(arena.take(20'100, 50'000) == nullptr);
    void* const two = arena.take(15'000, 50'000);
    REQUIRE(two != nullptr);
    CHECK(Arena::room_of(two) >= 20'000);
    CHECK(arena.take(15'000, 50'000) == nullptr);
    void* const one = arena.take(1000, 50'000);
    REQUIRE(one != nullptr);
    CHECK(Arena::room_of(one) >= 10'000);
    CHECK(arena.take(1000, 50'000) == nullptr);
    pieces[3] = one;
    pieces[10] = two;
    pieces.erase(pieces.begin() + 11);
    for (void* const piece : pieces) {
        arena.give_back(piece);
    }
    CHECK(arena.used() == 0);
    CHECK(arena.free_bytes() > kMiB - 32);
}

TEST_CASE("arena: pieces of all sizes, taken and given back at random, keep their bytes to themselves") {
    Arena arena(4 * kMiB);
    std::mt19937 random(1); // NOLINT: the same each time
    std::vector<Piece> pieces;
    std::uint64_t taken = 0;
    for (int step = 0; step < 200'000; ++step) {
        const std::size_t wanted = std::size_t{1} << (random() % 17);
        const std::size_t size = wanted + random() % wanted;
        if (char* const bytes = static_cast<char*>(arena.take(size, size))) {
            pieces.push_back({bytes, size, static_cast<char>(random())});
            std::memset(bytes, pieces.back().mark, size);
            taken += Arena::taken_by(bytes);
        }
        while (!pieces.empty() && (random() % 2 == 0 || arena.free_bytes() < 2 * kMiB)) {
            std::swap(pieces[random() % pieces.size()], pieces.back());
            REQUIRE(is_whole(pieces.back()));
            taken -= Arena::taken_by(pieces.back().bytes);
            arena.give_back(pieces.back().bytes);
            pieces.pop_back();
        }
        REQUIRE(arena.used() == taken);
        REQUIRE(arena.used() + arena.free_bytes() <= arena.limit());
        REQUIRE(arena.used() + arena.free_bytes() >= arena.limit() - 32);
    }
    for (const Piece& piece : pieces) {
        arena.give_back(piece.bytes);
    }
    void* const all = arena.take(Arena::kLargestPiece, Arena::kLargestPiece);
    CHECK(all != nullptr);
    arena.give_back(all);
}

TEST_CASE("arena: a limit that is larger than the machine's memory takes addresses only" *
          doctest::skip(gatehouse::testing::kHasThreadSanitizer)) { // which leaves too few addresses
    Arena arena(std::uint64_t{16} << 40);
    void* const piece = arena.take(100, 100);
    REQUIRE(piece != nullptr);
    std::memset(piece, 'x', 100);
    arena.give_back(piece);
}

TEST_CASE("arena: what is lent is not there to be taken, and its pages go to the system") {
    Arena arena(8 * kMiB);
    std::vector<void*> pieces;
    while (void* const piece = arena.take(65'000, 65'000)) {
        std::memset(piece, 'x', 65'000);
        pieces.push_back(piece);
    }
    void* const begin = pieces.front();
    const std::uint64_t before = resident_bytes(begin, 7 * kMiB);
    CHECK_FALSE(arena.lend(kMiB, 512));
    CHECK(arena.used() <= 8 * kMiB);
    const std::uint64_t used = arena.used();
    for (int i = 0; i < 34; i += 2) {
        arena.give_back(pieces[static_cast<std::size_t>(i)]);
    }
    REQUIRE(arena.lend(kMiB, 16 * 1024));
    CHECK(arena.used() >= used - 18 * 65'536 + kMiB);
    CHECK(arena.used() <= 8 * kMiB);
    CHECK(resident_bytes(begin, 7 * kMiB) <= before - kMiB * 7 / 8);
    CHECK(arena.free_bytes() < 2 * 65'536);
    arena.end_loan(kMiB);
    CHECK(arena.free_bytes() > kMiB);
    for (int i = 0; i < 34; i += 2) {
        pieces[static_cast<std::size_t>(i)] = arena.take(65'000, 65'000);
        REQUIRE(pieces[static_cast<std::size_t>(i)] != nullptr);
    }
    for (void* const piece : pieces) {
        arena.give_back(piece);
    }
    CHECK(arena.used() == 0);
}

TEST_CASE("arena: small loans add up, and end in part") {
    Arena arena(kMiB);
    for (int i = 0; i < 100; ++i) {
        REQUIRE(arena.lend(1000, 16 * 1024));
    }
    CHECK(arena.used() == 100'000);
    CHECK(arena.free_bytes() <= kMiB - 100'000);
    arena.end_loan(40'000);
    CHECK(arena.used() == 60'000);
    CHECK(arena.free_bytes() >= kMiB - 60'000 - 2048);
    arena.end_loan(60'000);
    CHECK(arena.free_bytes() > kMiB - 32);
}

TEST_CASE("arena: threads take and give back each other's pieces") {
    Arena arena(2 * kMiB);
    constexpr int kThreads = 4;
    std::vector<std::thread> threads;
    std::mutex mutex;
    std::vector<Piece> shared;
    std::atomic<int> damaged{0};
    for (int thread = 0; thread < kThreads; ++thread) {
        threads.emplace_back([&, thread] {
            std::mt19937 random(static_cast<unsigned>(thread)); // NOLINT: the same each time
            for (int step = 0; step < 20'000; ++step) {
                const std::size_t size = 1 + random() % 5000;
                if (char* const bytes = static_cast<char*>(arena.take(size, size))) {
                    const Piece piece{bytes, size, static_cast<char>(thread)};
                    std::memset(bytes, piece.mark, size);
                    const std::lock_guard lock(mutex);
                    shared.push_back(piece);
                }
                std::vector<Piece> taken;
                {
                    const std::lock_guard lock(mutex);
                    if (!shared.empty()) {
                        std::swap(shared[random() % shared.size()], shared.back());
                        taken.push_back(shared.back());
                        shared.pop_back();
                    }
                }
                for (const Piece& piece : taken) {
                    damaged += is_whole(piece) ? 0 : 1;
                    arena.give_back(piece.bytes);
                }
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    for (const Piece& piece : shared) {
        arena.give_back(piece.bytes);
    }
    CHECK(damaged == 0);
    CHECK(arena.used() == 0);
}
