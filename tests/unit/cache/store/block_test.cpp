// Blocks: classes and what they are charged, references, chains.
#include "cache/store/block.h"

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include <malloc.h>

#include <doctest/doctest.h>

using namespace gatehouse::cache::store;

namespace {

BlockRef allocate(MemoryBudget& budget, std::size_t wanted, BlockOwner* owner = nullptr) {
    REQUIRE(budget.try_charge(Block::charge_for(wanted)));
    return Block::allocate(wanted, budget, owner);
}

struct CountingOwner final : BlockOwner {
    void on_block_freed(std::uint64_t charged_bytes) noexcept override {
        freed += charged_bytes;
        used_then = budget->used();
        ++calls;
    }
    MemoryBudget* budget = nullptr;
    std::uint64_t freed = 0;
    std::uint64_t used_then = 0;
    int calls = 0;
};

} // namespace

static_assert(sizeof(Block) <= 32);

TEST_CASE("block: classes in four steps for each power of two") {
    struct Row {
        std::size_t wanted;
        std::size_t capacity;
    };
    constexpr Row kRows[] = {
        {1, 64},       {64, 64},       {65, 80},       {80, 80},       {81, 96},
        {112, 112},    {113, 128},     {128, 128},     {129, 160},     {1000, 1024},
        {1024, 1024},  {1025, 1280},   {1280, 1280},   {1281, 1536},   {1793, 2048},
        {65536, 65536}, {65537, 81920}, {229377, 262144}, {262143, 262144}, {262144, 262144},
    };
    for (const Row& row : kRows) {
        CAPTURE(row.wanted);
        CHECK(Block::capacity_for(row.wanted) == row.capacity);
    }
}

TEST_CASE("block: a class loses at most a fifth of its room, and grows with what is wanted") {
    std::size_t before = 0;
    for (std::size_t wanted = 64; wanted <= Block::kMaxPayload; wanted += 1 + wanted / 100) {
        CAPTURE(wanted);
        const std::size_t capacity = Block::capacity_for(wanted);
        REQUIRE(capacity >= wanted);
        REQUIRE((capacity - wanted) * 5 <= capacity);
        REQUIRE(capacity >= before);
        REQUIRE(Block::capacity_for(capacity) == capacity);
        before = capacity;
    }
}

TEST_CASE("block: the charge is what malloc takes, within a few percent") {
    for (std::size_t wanted = 1; wanted <= Block::kMaxPayload; wanted += 1 + wanted / 16) {
        CAPTURE(wanted);
        MemoryBudget budget(1024 * 1024);
        const BlockRef block = allocate(budget, wanted);
        // 8 bytes stand before what malloc calls usable.
        const std::size_t taken = malloc_usable_size(block.get()) + 8;
        REQUIRE(block->charged() == Block::charge_for(wanted));
        // malloc adds 16 bytes when what it would otherwise leave of a free chunk were too small to be one.
        REQUIRE(block->charged() + 16 >= taken);
        REQUIRE(block->charged() <= taken + 16 + taken / 20);
    }
}

TEST_CASE("block: the last holder frees it, and its charge with it") {
    MemoryBudget budget(10'000);
    CountingOwner owner;
    owner.budget = &budget;
    BlockRef one = allocate(budget, 1000, &owner);
    CHECK(one->is_unique());
    std::memset(one->data(), 'x', one->capacity());
    BlockRef two = one;
    CHECK_FALSE(one->is_unique());
    one.reset();
    CHECK(two->is_unique());
    CHECK(owner.calls == 0);
    CHECK(budget.used() == Block::charge_for(1000));
    two = BlockRef();
    CHECK(budget.used() == 0);
    CHECK(owner.calls == 1);
    CHECK(owner.freed == Block::charge_for(1000));
    CHECK(owner.used_then == 0); // room is there before the owner hears of it
}

TEST_CASE("block: who holds one holds all that follow, and nothing before") {
    MemoryBudget budget(10'000);
    BlockRef first = allocate(budget, 64);
    BlockRef second = allocate(budget, 128);
    first->set_next(second);
    second->set_next(allocate(budget, 256));
    BlockRef reader = first;
    first.reset();
    CHECK(budget.used() == Block::charge_for(64) + Block::charge_for(128) + Block::charge_for(256));
    reader = BlockRef(reader->next());
    CHECK(budget.used() == Block::charge_for(128) + Block::charge_for(256));
    second.reset();
    CHECK(reader->is_unique());
    reader = BlockRef(reader->next());
    CHECK(budget.used() == Block::charge_for(256));
    reader.reset();
    CHECK(budget.used() == 0);
}

TEST_CASE("block: a chain of 100,000 blocks is freed without recursion") {
    MemoryBudget budget(std::uint64_t{1} << 32);
    BlockRef first = allocate(budget, 64);
    BlockRef last = first;
    for (int i = 1; i < 100'000; ++i) {
        BlockRef next = allocate(budget, 64);
        last->set_next(next);
        last = std::move(next);
    }
    last.reset();
    CHECK(budget.used() == 100'000 * Block::charge_for(64));
    first.reset();
    CHECK(budget.used() == 0);
}

TEST_CASE("block: a chain that is held in its middle is freed up to there") {
    MemoryBudget budget(std::uint64_t{1} << 32);
    BlockRef first = allocate(budget, 64);
    BlockRef last = first;
    BlockRef middle;
    for (int i = 1; i < 1000; ++i) {
        BlockRef next = allocate(budget, 64);
        last->set_next(next);
        last = std::move(next);
        if (i == 600) {
            middle = last;
        }
    }
    last.reset();
    first.reset();
    CHECK(budget.used() == 400 * Block::charge_for(64));
    middle.reset();
    CHECK(budget.used() == 0);
}

TEST_CASE("block: an anchor has no bytes and no charge") {
    BlockRef anchor = Block::allocate_anchor();
    CHECK(anchor->capacity() == 0);
    CHECK(anchor->charged() == 0);
    MemoryBudget budget(1000);
    anchor->set_next(allocate(budget, 64));
    anchor.reset();
    CHECK(budget.used() == 0);
}

TEST_CASE("block: the reference can be left with what lives in the block") {
    MemoryBudget budget(1000);
    void* data = Block::disown(allocate(budget, 100));
    CHECK(Block::of(data).capacity() == 112);
    CHECK(budget.used() == Block::charge_for(100));
    BlockRef back = Block::adopt(data);
    CHECK(back->is_unique());
    back.reset();
    CHECK(budget.used() == 0);
}

TEST_CASE("block: holders on several threads let go at the same time") {
    MemoryBudget budget(std::uint64_t{1} << 30);
    for (int round = 0; round < 200; ++round) {
        BlockRef first = allocate(budget, 64);
        BlockRef last = first;
        for (int i = 0; i < 20; ++i) {
            BlockRef next = allocate(budget, 64);
            last->set_next(next);
            last = std::move(next);
        }
        last.reset();
        std::vector<std::thread> threads;
        for (int i = 0; i < 3; ++i) {
            threads.emplace_back([reader = first]() mutable {
                while (reader) {
                    reader = BlockRef(reader->next());
                }
            });
        }
        first.reset();
        for (std::thread& thread : threads) {
            thread.join();
        }
        REQUIRE(budget.used() == 0);
    }
}

TEST_CASE("block: in an arena it takes what it says, until the last holder lets go") {
    Arena arena(1024 * 1024);
    for (const std::size_t wanted : {1u, 100u, 1000u, 262'144u}) {
        CAPTURE(wanted);
        BlockRef block = Block::allocate(wanted, wanted, arena);
        REQUIRE(block);
        CHECK(block->capacity() >= wanted);
        CHECK(block->capacity() <= wanted + 32);
        CHECK(block->charged() == Block::taken_for(wanted));
        CHECK(arena.used() == block->charged());
        std::memset(block->data(), 'x', block->capacity());
        BlockRef other = block;
        block.reset();
        CHECK(arena.used() == Block::taken_for(wanted));
        other.reset();
        CHECK(arena.used() == 0);
    }
}

TEST_CASE("block: beside the arena it is charged to it all the same") {
    Arena arena(64 * 1024);
    std::vector<BlockRef> blocks;
    while (BlockRef block = Block::allocate(1000, 1000, arena)) {
        blocks.push_back(std::move(block));
    }
    for (std::size_t i = 0; i < blocks.size(); i += 2) {
        blocks[i].reset();
    }
    const std::uint64_t used = arena.used();
    REQUIRE_FALSE(Block::allocate(5000, 5000, arena));
    CHECK_FALSE(Block::allocate_beside(5000, arena, 2000)); // no hole has as much
    CHECK(arena.used() == used);
    BlockRef beside = Block::allocate_beside(5000, arena, 500);
    REQUIRE(beside);
    CHECK(beside->capacity() == 5000);
    CHECK(beside->charged() == Block::taken_for(5000));
    CHECK(arena.used() == used + beside->charged());
    CHECK(arena.used() + arena.free_bytes() <= arena.limit());
    std::memset(beside->data(), 'x', beside->capacity());
    beside.reset();
    CHECK(arena.used() == used);
}
