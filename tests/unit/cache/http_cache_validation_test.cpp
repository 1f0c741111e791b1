// What several clients get of a response that must be validated for every request: those that had come before the
// origin was asked share its answer, everybody else takes part in the next question.
#include "tests/unit/cache/http_cache_bench.h"

#include <array>

using namespace gatehouse;
using namespace gatehouse::cache;
using namespace gatehouse::cache::testing;

namespace {

struct Kind {
    const char* name;
    std::string fields;
};

const std::array<Kind, 4> kValidatedEachTime = {{
    {"no-cache", "Cache-Control: no-cache\nETag: \"1\""},
    {"no-cache with a lifetime", "Cache-Control: no-cache, max-age=60\nETag: \"1\""},
    {"no lifetime", "Cache-Control: max-age=0, must-revalidate\nETag: \"1\""},
    {"stale on arrival", "Cache-Control: max-age=10\nAge: 10\nETag: \"1\""},
}};

} // namespace

TEST_CASE("who came before the origin was asked shares the answer, who came after asks again") {
    for (const Kind& kind : kValidatedEachTime) {
        SUBCASE(kind.name) {
            CacheBench bench;
            const auto leader = bench.asking();
            const auto before = bench.asking("", "/a", 1);
            bench.send(*leader);
            const auto after_it = bench.asking("", "/a", 1);
            const auto after_it_too = bench.asking();
            CHECK(after_it->plan.fetch == leader->plan.fetch); // nobody knows yet what the answer will say
            Intake intake;
            bench.head(*leader, kind.fields + "\nContent-Length: 5", intake);
            CHECK(bench.resolve(*leader).kind == Resolution::Kind::Stream);
            CHECK(bench.resolve(*before).kind == Resolution::Kind::Stream);
            CHECK(bench.resolve(*after_it).kind == Resolution::Kind::Rejoin);
            CHECK(bench.resolve(*after_it_too).kind == Resolution::Kind::Rejoin);
            fill(*intake.body, "hello");
            CHECK(bench.cache.finish(*leader->plan.fetch, intake) == Reason::None);

            // They ask together.
            bench.ask_again(*after_it);
            bench.ask_again(*after_it_too);
            REQUIRE(after_it->plan.leader);
            CHECK(after_it->plan.validate);
            CHECK(after_it_too->plan.fetch == after_it->plan.fetch);
            bench.answer(*after_it, "304\n" + kind.fields);
            for (Client* each : {after_it.get(), after_it_too.get()}) {
                const Resolution resolution = bench.resolve(*each);
                CHECK(resolution.kind == Resolution::Kind::Serve);
                CHECK(resolution.result.revalidated);
                CHECK(stored_text(resolution.entry) == "hello");
            }
        }
    }
}

TEST_CASE("who is slow to ask again finds what others were told meanwhile") {
    for (const Kind& kind : kValidatedEachTime) {
        SUBCASE(kind.name) {
            CacheBench bench;
            const auto leader = bench.asking();
            bench.send(*leader);
            const auto quick = bench.asking();
            const auto slow = bench.asking("", "/a", 1);
            const auto somebody_else = bench.asking("X-Api-Key: 1", "/a", 1);
            const auto demanding = bench.asking("Cache-Control: min-fresh=1", "/a", 1);
            Intake first;
            bench.head(*leader, kind.fields + "\nContent-Length: 5", first);
            fill(*first.body, "first");
            bench.cache.finish(*leader->plan.fetch, first);
            CHECK(bench.resolve(*quick).kind == Resolution::Kind::Rejoin);
            CHECK(bench.resolve(*slow).kind == Resolution::Kind::Rejoin);
            bench.ask_again(*quick);
            REQUIRE(quick->plan.leader);
            bench.send(*quick);
            Intake second;
            bench.head(*quick, "200\n" + kind.fields + "\nContent-Length: 6", second);
            SUBCASE("while it arrives") {
                bench.ask_again(*slow);
                CHECK(slow->plan.fetch == quick->plan.fetch);
                CHECK(bench.resolve(*slow).kind == Resolution::Kind::Stream);
                bench.ask_again(*somebody_else);
                CHECK(somebody_else->plan.leader);
            }
            fill(*second.body, "second");
            CHECK(bench.cache.finish(*quick->plan.fetch, second) == Reason::None);
            SUBCASE("when it is stored") {
                bench.ask_again(*slow);
                CHECK(slow->plan.kind == Plan::Kind::Serve);
                CHECK(stored_text(slow->plan.entry) == "second");
                CHECK(slow->plan.result.collapsed);
                for (Client* each : {somebody_else.get(), demanding.get()}) {
                    bench.ask_again(*each);
                    CHECK(each->plan.kind == Plan::Kind::Wait);
                }
            }
            CHECK(bench.asking()->plan.kind == Plan::Kind::Wait); // not for those who come now
        }
    }
}

TEST_CASE("what must be validated for every request is not used for later ones without it") {
    for (const Kind& kind : kValidatedEachTime) {
        SUBCASE(kind.name) {
            CacheBench bench;
            bench.stored(kind.fields + "\nContent-Length: 5", "hello");
            for (int i = 0; i < 3; ++i) {
                const auto next = bench.asking();
                REQUIRE(next->plan.kind == Plan::Kind::Wait);
                CHECK(next->plan.leader);
                CHECK(next->plan.validate);
                bench.answer(*next, "304\n" + kind.fields);
                CHECK(bench.resolve(*next).kind == Resolution::Kind::Serve);
            }
        }
    }
}

TEST_CASE("an answer in flight that must be validated is joined by nobody") {
    CacheBench bench;
    const auto leader = bench.asking();
    bench.send(*leader);
    Intake intake;
    bench.head(*leader, "Cache-Control: no-cache\nETag: \"1\"\nContent-Length: 5", intake);
    const auto late = bench.asking();
    CHECK(late->plan.leader);
    bench.cache.abort(*leader->plan.fetch, intake, kBrokeOff);
}

TEST_CASE("a request that is sent again is asked anew: who joined in between came before it") {
    CacheBench bench;
    const auto leader = bench.asking();
    bench.send(*leader);
    const auto between = bench.asking();
    bench.send(*leader); // the first connection was dead
    const auto late = bench.asking();
    Intake intake;
    bench.head(*leader, "Cache-Control: no-cache\nETag: \"1\"\nContent-Length: 0", intake);
    CHECK(bench.resolve(*between).kind == Resolution::Kind::Stream);
    CHECK(bench.resolve(*late).kind == Resolution::Kind::Rejoin);
    bench.cache.finish(*leader->plan.fetch, intake);
}

TEST_CASE("what may not be stored is shared with nobody, whenever they came") {
    for (const char* fields : {"Cache-Control: private, no-cache\nETag: \"1\"", "Cache-Control: no-store, no-cache",
                               "Cache-Control: no-cache\nETag: \"1\"\nSet-Cookie: a=1"}) {
        CAPTURE(std::string(fields));
        CacheBench bench;
        const auto leader = bench.asking();
        const auto other = bench.asking();
        REQUIRE(other->plan.fetch == leader->plan.fetch);
        bench.answer(*leader, std::string(fields) + "\nContent-Length: 0");
        CHECK(bench.resolve(*other).kind == Resolution::Kind::Alone);
    }
}

TEST_CASE("one validation stands for those only that the origin cannot tell from each other") {
    struct Row {
        const char* name;
        const char* one;
        const char* other;
        bool together;
    };
    const std::array<Row, 5> rows = {{
        {"credentials", "Authorization: a", "Authorization: b", false},
        {"an API key", "X-Api-Key: a", "X-Api-Key: b", false},
        {"cookies", "Cookie: a=1", "Cookie: a=2", false},
        {"the same credentials", "Authorization: a", "Authorization: a", true},
        {"browsers", "User-Agent: a", "User-Agent: b", true},
    }};
    const std::string fields = "Cache-Control: no-cache, max-age=0, public\nETag: \"1\"\nContent-Length: 5";
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            CacheBench bench;
            SUBCASE("nothing is known") {
                const auto one = bench.asking(row.one);
                const auto other = bench.asking(row.other);
                CHECK(other->plan.fetch == one->plan.fetch);
                bench.answer(*one, fields, "hello");
                CHECK((bench.resolve(*other).kind == Resolution::Kind::Stream) == row.together);
                if (!row.together) {
                    CHECK(bench.resolve(*other).kind == Resolution::Kind::Alone);
                }
            }
            SUBCASE("it is known that each is validated") {
                bench.stored(fields, "hello");
                const auto one = bench.asking(row.one);
                const auto other = bench.asking(row.other);
                CHECK(one->plan.leader);
                CHECK((other->plan.fetch == one->plan.fetch) == row.together);
                if (!row.together) {
                    CHECK(other->plan.leader); // at once, without waiting for the other
                }
                const auto one_too = bench.asking(row.one);
                CHECK(one_too->plan.fetch == one->plan.fetch);
            }
        }
    }
}

TEST_CASE("a request with demands of its own is not content with what others asked for") {
    for (const char* wishes : {"Cache-Control: max-age=5", "Cache-Control: min-fresh=5"}) {
        CAPTURE(std::string(wishes));
        CacheBench bench;
        const auto leader = bench.asking();
        const auto other = bench.asking(wishes);
        REQUIRE(other->plan.fetch == leader->plan.fetch);
        bench.answer(*leader, "Cache-Control: no-cache\nETag: \"1\"\nContent-Length: 0");
        CHECK(bench.resolve(*other).kind == Resolution::Kind::Alone);
    }
}
