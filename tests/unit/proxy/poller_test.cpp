// Readiness, turns and wake-ups of a core's poller.
#include "proxy/poller.h"

#include <doctest/doctest.h>

#include <array>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

using namespace gatehouse;
using proxy::Poller;

namespace {

// One end of a socket pair, watched; `other` is the far end.
struct End final : Poller::Watched {
    explicit End(Poller& poller) : owner(poller) {
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0);
        mine = ends[0];
        other = ends[1];
        REQUIRE(owner.add(mine, *this));
    }
    ~End() override {
        leave();
        ::close(other);
    }
    void leave() {
        if (mine >= 0) {
            owner.remove(mine, *this);
            ::close(std::exchange(mine, -1));
        }
    }
    void say(char byte) const { REQUIRE(::send(other, &byte, 1, MSG_NOSIGNAL) == 1); }

    void on_ready(std::uint32_t events) noexcept override {
        ++ready;
        seen |= events;
        if (then) {
            then();
        }
    }
    void on_turn() noexcept override {
        ++turns;
        if (then) {
            then();
        }
    }
    void on_core_end() noexcept override {
        ++core_ends;
        leave();
    }

    Poller& owner;
    std::function<void()> then;
    int mine = -1;
    int other = -1;
    int ready = 0;
    int turns = 0;
    int core_ends = 0;
    std::uint32_t seen = 0;
};

std::size_t look(Poller& poller) {
    poller.wait(0);
    return poller.dispatch();
}

} // namespace

TEST_CASE("A descriptor is told what is ready when it is added, and then only what changes") {
    Poller poller;
    End end(poller);
    CHECK(look(poller) == 1);
    CHECK((end.seen & EPOLLOUT) != 0);
    CHECK((end.seen & EPOLLIN) == 0);
    CHECK(look(poller) == 0);
    end.say('a');
    CHECK(look(poller) == 1);
    CHECK((end.seen & EPOLLIN) != 0);
    CHECK(look(poller) == 0); // unread, and still said once
    end.say('b');
    CHECK(look(poller) == 1);
    ::shutdown(end.other, SHUT_WR);
    CHECK(look(poller) == 1);
    CHECK((end.seen & EPOLLRDHUP) != 0);
}

TEST_CASE("A descriptor that is removed while its news is on the way is not told") {
    Poller poller;
    End first(poller);
    End second(poller);
    End third(poller);
    look(poller);
    first.say('a');
    second.say('b');
    third.say('c');
    // Whoever is told first removes the two others.
    int told = 0;
    const auto alone = [&](End& self, End& one, End& two) {
        return [&] {
            ++told;
            one.leave();
            two.leave();
            self.then = nullptr; // last: this is what it destroys
        };
    };
    first.then = alone(first, second, third);
    second.then = alone(second, first, third);
    third.then = alone(third, first, second);
    CHECK(look(poller) == 1);
    CHECK(told == 1);
}

TEST_CASE("A turn comes after those who are ready, once for each time it is asked for") {
    Poller poller;
    End eager(poller);
    End other(poller);
    look(poller);
    poller.next_turn(eager);
    poller.next_turn(eager);
    CHECK(poller.turn_wanted());
    other.say('x');
    int ready_at_turn = -1;
    eager.then = [&] {
        ready_at_turn = other.ready;
        if (eager.turns < 3) {
            poller.next_turn(eager); // goes on for ever, as far as it can: but one turn at a time
        }
    };
    const int before = other.ready;
    poller.wait(-1); // does not wait while somebody wants a turn
    poller.dispatch();
    CHECK(ready_at_turn == before + 1);
    CHECK(eager.turns == 1);
    look(poller);
    CHECK(eager.turns == 2);
    look(poller);
    look(poller);
    CHECK(eager.turns == 3);
    CHECK_FALSE(poller.turn_wanted());
}

TEST_CASE("A turn that was asked for and given up with the descriptor never comes") {
    Poller poller;
    End first(poller);
    End second(poller);
    look(poller);
    poller.next_turn(first);
    poller.next_turn(second);
    SUBCASE("before the round") {
        first.leave();
        CHECK(look(poller) == 1);
        CHECK(first.turns == 0);
    }
    SUBCASE("in the same round") {
        first.then = [&] { second.leave(); };
        CHECK(look(poller) == 1);
        CHECK(second.turns == 0);
    }
}

TEST_CASE("A wake-up from another thread ends a wait that was announced, whichever comes first") {
    Poller poller;
    poller.announce_wait();
    poller.wake();
    poller.wait(-1);
    CHECK(poller.dispatch() == 0);

    // A wake-up that nobody announced a wait for costs nothing and is not remembered.
    poller.wake();
    poller.wait(0);
    CHECK(poller.dispatch() == 0);

    poller.announce_wait();
    std::thread other([&poller] { poller.wake(); });
    poller.wait(-1);
    other.join();
    CHECK(poller.dispatch() == 0);
}

TEST_CASE("More descriptors than one call reports are all told") {
    Poller poller;
    std::vector<std::unique_ptr<End>> ends;
    for (int i = 0; i < 400; ++i) {
        ends.push_back(std::make_unique<End>(poller));
    }
    std::size_t told = 0;
    while (const std::size_t some = look(poller)) {
        told += some;
    }
    CHECK(told == 400);
}

TEST_CASE("The end of a core lets go of everybody once") {
    Poller poller;
    End first(poller);
    End second(poller);
    poller.next_turn(second);
    poller.end();
    CHECK(first.core_ends == 1);
    CHECK(second.core_ends == 1);
    CHECK(look(poller) == 0);
    CHECK_FALSE(poller.turn_wanted());
}
