// Field lines: order, repetition, replacement, serialising.
#include "http/fields.h"

#include "http/ascii.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <iterator>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace gatehouse::http;

namespace {

Fields make(std::initializer_list<std::pair<std::string_view, std::string_view>> lines) {
    Fields fields;
    for (const auto& [name, value] : lines) {
        fields.add(name, value);
    }
    return fields;
}

} // namespace

TEST_CASE("fields are found without case and kept as they were written") {
    const Fields fields = make({{"Host", "example.com"}, {"ACCEPT", "*/*"}, {"X-Empty", ""}});
    CHECK(fields.first("host") == "example.com");
    CHECK(fields.first("Accept") == "*/*");
    CHECK(fields.first("x-empty") == "");
    CHECK(!fields.first("Hos"));
    CHECK(!fields.first("Hostt"));
    CHECK(!fields.first(""));
    CHECK(fields.contains("HOST"));
    CHECK(fields.serialised() == "Host: example.com\r\nACCEPT: */*\r\nX-Empty: \r\n");
    CHECK(fields.size() == 3);
}

TEST_CASE("no fields are empty and have no lines") {
    const Fields fields;
    CHECK(fields.empty());
    CHECK(fields.serialised().empty());
    CHECK(fields.begin() == fields.end());
    CHECK(fields.combined("Vary").empty());
    CHECK(fields.count("Vary") == 0);
}

TEST_CASE("repeated lines stay separate lines, in order") {
    const Fields fields = make({{"Set-Cookie", "a=1"}, {"Vary", "A"}, {"set-cookie", "b=2"}, {"VARY", "B"}});
    CHECK(fields.first("Set-Cookie") == "a=1");
    CHECK(fields.count("SET-COOKIE") == 2);
    CHECK(fields.combined("Vary") == "A, B");
    std::vector<std::string> cookies;
    fields.for_each("Set-Cookie", [&](std::string_view value) { cookies.emplace_back(value); });
    CHECK(cookies == std::vector<std::string>{"a=1", "b=2"});
}

TEST_CASE("joining keeps empty lines apart too") {
    CHECK(make({{"A", ""}, {"A", ""}}).combined("a") == ", ");
    CHECK(make({{"A", "x"}}).combined("a") == "x");
}

TEST_CASE("iteration gives every line in order") {
    const Fields fields = make({{"A", "1"}, {"B", "2"}, {"A", "3"}});
    std::string seen;
    for (const Fields::Line line : fields) {
        seen.append(line.name).append("=").append(line.value).append(";");
    }
    CHECK(seen == "A=1;B=2;A=3;");
    CHECK(fields.line(2).value == "3");
}

TEST_CASE("set replaces all lines by one at the place of the first") {
    struct Row {
        std::string_view value;
        std::string_view expected;
    };
    const Row rows[] = {
        {"", "A: 1\r\nb: \r\nC: 3\r\n"},
        {"2", "A: 1\r\nb: 2\r\nC: 3\r\n"},
        {"a much longer value than before", "A: 1\r\nb: a much longer value than before\r\nC: 3\r\n"},
    };
    for (const Row& row : rows) {
        Fields fields = make({{"A", "1"}, {"B", "xyz"}, {"C", "3"}, {"B", "again"}});
        fields.set("b", row.value);
        CHECK(fields.serialised() == row.expected);
        CHECK(fields.first("A") == "1");
        CHECK(fields.first("B") == row.value);
        CHECK(fields.first("C") == "3");
        CHECK(fields.size() == 3);
    }
}

TEST_CASE("set adds at the end when there is no such line") {
    Fields fields = make({{"A", "1"}});
    fields.set("B", "2");
    CHECK(fields.serialised() == "A: 1\r\nB: 2\r\n");
}

TEST_CASE("append_if adds the lines that it is told to keep, which are found as those that were added") {
    const Fields from = make({{"Host", "example"}, {"X-Long-Enough-To-Move", "value"}, {"host", "other"}, {"A", ""}});
    Fields fields = make({{"Via", "1.1 a"}});
    std::vector<std::string> asked;
    fields.append_if(from, [&](const Fields::Line& line) {
        asked.emplace_back(line.name);
        return line.name != "host";
    });
    CHECK(asked == std::vector<std::string>{"Host", "X-Long-Enough-To-Move", "host", "A"});
    CHECK(fields.serialised() == "Via: 1.1 a\r\nHost: example\r\nX-Long-Enough-To-Move: value\r\nA: \r\n");
    CHECK(fields.first("host") == "example");
    CHECK(fields.first("x-long-enough-to-move") == "value");
    CHECK(fields.count("HOST") == 1);
    fields.set("Via", "1.0 beyond");
    CHECK(fields.serialised() == "Via: 1.0 beyond\r\nHost: example\r\nX-Long-Enough-To-Move: value\r\nA: \r\n");
}

TEST_CASE("remove takes out every line of a name and says how many") {
    Fields fields = make({{"A", "1"}, {"B", "2"}, {"a", "3"}, {"C", "4"}, {"A", "5"}});
    CHECK(fields.remove("A") == 3);
    CHECK(fields.serialised() == "B: 2\r\nC: 4\r\n");
    CHECK(fields.first("C") == "4");
    CHECK(fields.remove("A") == 0);
    CHECK(fields.remove("B") == 1);
    CHECK(fields.remove("C") == 1);
    CHECK(fields.empty());
    CHECK(fields.serialised().empty());
}

TEST_CASE("remove_if asks once for each line, in order, and drops those it is told to") {
    Fields fields = make({{"A", "1"}, {"B", "2"}, {"C", "3"}, {"D", "4"}});
    std::string asked;
    const std::size_t removed = fields.remove_if([&](const Fields::Line& line) {
        asked += line.name;
        return line.value == "1" || line.value == "3";
    });
    CHECK(removed == 2);
    CHECK(asked == "ABCD");
    CHECK(fields.serialised() == "B: 2\r\nD: 4\r\n");
    CHECK(fields.first("D") == "4");
}

TEST_CASE("clear leaves nothing behind and the object usable") {
    Fields fields = make({{"A", "1"}});
    fields.clear();
    CHECK(fields.empty());
    CHECK(!fields.contains("A"));
    fields.reserve(100, 4);
    fields.add("B", "2");
    CHECK(fields.serialised() == "B: 2\r\n");
}

TEST_CASE("values that are views into the same fields may be added and set") {
    Fields fields = make({{"A", std::string(100, 'x')}, {"B", "y"}});
    for (int i = 0; i < 10; ++i) {
        fields.add("Copy", *fields.first("A"));
    }
    CHECK(fields.count("Copy") == 10);
    CHECK(fields.line(11).value == std::string(100, 'x'));
    fields.set(fields.line(1).name, fields.line(0).value);
    CHECK(fields.first("B") == std::string(100, 'x'));
    CHECK(fields.remove(fields.line(2).name) == 10);
    CHECK(fields.size() == 2);
}

TEST_CASE("names whose hashes meet are still told apart") {
    // Bit 5 is not part of the hash: these differ in nothing else.
    const Fields fields = make({{"a^", "1"}, {"a~", "2"}});
    CHECK(fields.first("a^") == "1");
    CHECK(fields.first("A~") == "2");
    CHECK(fields.count("a^") == 1);
}

TEST_CASE("names of every length are found again in other case") {
    Fields fields;
    for (std::size_t size = 1; size <= 40; ++size) {
        fields.add(std::string(size, 'q'), std::to_string(size));
    }
    for (std::size_t size = 1; size <= 40; ++size) {
        CHECK(fields.first(std::string(size, 'Q')) == std::to_string(size));
    }
}

TEST_CASE("what serialised gives is read back to the same lines") {
    const Fields fields = make({{"Host", "a"}, {"X", ""}, {"Set-Cookie", "a: b=c"}, {"Set-Cookie", "d"}});
    const Fields back = Fields::from_serialised(fields.serialised());
    CHECK(back.serialised() == fields.serialised());
    REQUIRE(back.size() == 4);
    CHECK(back.first("host") == "a");
    CHECK(back.first("x") == "");
    CHECK(back.combined("set-cookie") == "a: b=c, d");
    CHECK(Fields::from_serialised("").empty());
}

TEST_CASE("a stored head that does not read back is cut at the first bad line") {
    struct Row {
        std::string_view text;
        std::size_t lines;
    };
    const Row rows[] = {
        {"A: 1\r\nB", 1},       {"A: 1\r\nB: 2", 1},     {"A: 1\r\nB: 2\r", 1}, {"A: 1\r\nB: 2\r\n", 2},
        {"A: 1\r\nB:2\r\n", 1}, {"A: 1\r\n: 2\r\n", 1},  {"A: 1\r\n\r\nB: 2", 1}, {"A\r\nB: 2\r\n", 0},
        {"A:\r\n", 0},          {":", 0},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.text));
        const Fields fields = Fields::from_serialised(row.text);
        CHECK(fields.size() == row.lines);
        CHECK(fields.serialised() == row.text.substr(0, row.lines * 6));
    }
}

TEST_CASE("lines that are assigned again are what a first reading gives, whatever was there before") {
    const std::string_view heads[] = {
        "A: 1\r\nB: 2\r\n\r\n",       "A: 1\r\nB: 2\r\n\r\nA: 1\r\n", // the same, and the beginning of what follows
        "A: 1\r\nB: 2\r\nC: 3\r\n\r\n", "A: 1\r\n\r\n",
        "A: 1\r\nB: 3\r\n\r\n",       "a: 1\r\nB: 2\r\n\r\n",
        "A: 1\r\nB: 2\r\n",           "A: 1\r\nB: 2\r\n\r", // not complete
        "A: 1\r\nB 2\r\n\r\n",        "\r\n",
    };
    using Change = void (*)(Fields&);
    const Change changes[] = {
        [](Fields&) {},
        [](Fields& fields) { fields.remove("B"); },
        [](Fields& fields) { fields.set("B", "2"); },
        [](Fields& fields) { fields.set("A", "one"); },
        [](Fields& fields) { fields.add("B", "2"); },
        [](Fields& fields) { fields.clear(); },
    };
    for (const std::string_view before : heads) {
        for (const Change change : changes) {
            for (const std::string_view head : heads) {
                for (const std::size_t most : {1U, 2U, 100U}) {
                    CAPTURE(std::string(before));
                    CAPTURE(std::string(head));
                    CAPTURE(most);
                    Fields fields;
                    fields.assign_lines(before, 100);
                    change(fields);
                    Fields fresh;
                    REQUIRE(fields.assign_lines(head, most) == fresh.assign_lines(head, most));
                    REQUIRE(fields.serialised() == fresh.serialised());
                    REQUIRE(fields.size() == fresh.size());
                    for (const char* name : {"a", "b", "c"}) {
                        REQUIRE(fields.combined(name) == fresh.combined(name));
                    }
                }
            }
        }
    }
}

TEST_CASE("copies and moves are independent") {
    Fields fields = make({{"A", "1"}});
    Fields copy = fields;
    copy.add("B", "2");
    CHECK(fields.size() == 1);
    const Fields moved = std::move(copy);
    CHECK(moved.first("b") == "2");
}

TEST_CASE("a name of 65535 bytes is the longest") {
    Fields fields;
    const std::string longest(65535, 'n');
    fields.add("A", "1");
    fields.add(longest, "2");
    CHECK(fields.first(longest) == "2");
#ifdef NDEBUG // otherwise asserted
    fields.add(longest + "n", "3");
#endif
    fields.add("B", "4");
    CHECK(fields.size() == 3);
    CHECK(fields.first("B") == "4");
}

TEST_CASE("random additions, replacements and removals agree with a plain list") {
    std::minstd_rand random(20240501);
    const auto below = [&](std::size_t limit) { return static_cast<std::size_t>(random() % limit); };
    const std::string_view names[] = {"A", "a", "Bb", "bB", "Content-Type", "CONTENT-TYPE", "If-None-Match"};
    Fields fields;
    std::vector<std::pair<std::string, std::string>> model;
    for (int step = 0; step < 4000; ++step) {
        const std::string name(names[below(std::size(names))]);
        const std::string value(below(30), static_cast<char>('a' + below(26)));
        const auto same = [&](const auto& line) { return iequals(line.first, name); };
        switch (below(4)) {
        case 0:
        case 1:
            fields.add(name, value);
            model.emplace_back(name, value);
            break;
        case 2: {
            fields.set(name, value);
            const auto first = std::find_if(model.begin(), model.end(), same);
            if (first == model.end()) {
                model.emplace_back(name, value);
            } else {
                *first = {name, value};
                model.erase(std::remove_if(first + 1, model.end(), same), model.end());
            }
            break;
        }
        default:
            CHECK(fields.remove(name) == static_cast<std::size_t>(std::count_if(model.begin(), model.end(), same)));
            model.erase(std::remove_if(model.begin(), model.end(), same), model.end());
        }
        std::string expected;
        for (const auto& [line_name, line_value] : model) {
            expected += line_name + ": " + line_value + "\r\n";
        }
        REQUIRE(fields.serialised() == expected);
        REQUIRE(fields.size() == model.size());
        const auto first = std::find_if(model.begin(), model.end(), same);
        REQUIRE(fields.contains(name) == (first != model.end()));
        if (first != model.end()) {
            REQUIRE(fields.first(name) == first->second);
        }
    }
}
