// The public test vectors of Structured Fields, which tests/unit/http/structured_field_vectors holds with their
// licence.
#include "http/structured_fields.h"

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace json = boost::json;
using namespace gatehouse::http::structured;

namespace {

const std::filesystem::path kFolder =
    std::filesystem::path(GATEHOUSE_SOURCE_DIR) / "tests/unit/http/structured_field_vectors";

std::string text_of(const json::value& value) { return std::string(value.as_string()); }

// The vectors write bytes in base32 (RFC 4648 section 6).
std::string from_base32(std::string_view text) {
    std::string bytes;
    unsigned bits = 0;
    int held = 0;
    for (const char c : text) {
        if (c == '=') break;
        bits = (bits << 5 | static_cast<unsigned>(c >= 'A' ? c - 'A' : c - '2' + 26)) & 0xfff;
        held += 5;
        if (held >= 8) {
            held -= 8;
            bytes += static_cast<char>(bits >> held & 0xff);
        }
    }
    return bytes;
}

BareItem bare_item(const json::value& value) {
    switch (value.kind()) {
    case json::kind::int64: return value.as_int64();
    case json::kind::uint64: return static_cast<std::int64_t>(value.as_uint64());
    // Rounded to three places, a half to the even neighbour (RFC 9651 section 4.1.5): what std::nearbyint does.
    case json::kind::double_: return Decimal{static_cast<std::int64_t>(std::nearbyint(value.as_double() * 1000))};
    case json::kind::bool_: return value.as_bool();
    case json::kind::string: return text_of(value);
    default: break;
    }
    const json::object& object = value.as_object();
    const std::string type = text_of(object.at("__type"));
    const json::value& content = object.at("value");
    if (type == "token") return Token{text_of(content)};
    if (type == "binary") return ByteSequence{from_base32(text_of(content))};
    if (type == "date") return Date{content.as_int64()};
    REQUIRE(type == "displaystring");
    return DisplayString{text_of(content)};
}

Parameters parameters(const json::value& value) {
    Parameters all;
    for (const json::value& pair : value.as_array()) {
        all.push_back({text_of(pair.as_array()[0]), bare_item(pair.as_array()[1])});
    }
    return all;
}

Item item(const json::value& value) { return {bare_item(value.as_array()[0]), parameters(value.as_array()[1])}; }

// An inner list is an array whose first element is an array.
Member member(const json::value& value) {
    const json::value& first = value.as_array()[0];
    if (!first.is_array()) return item(value);
    InnerList list;
    for (const json::value& inner : first.as_array()) list.items.push_back(item(inner));
    list.parameters = parameters(value.as_array()[1]);
    return list;
}

List list(const json::value& value) {
    List all;
    for (const json::value& one : value.as_array()) all.push_back(member(one));
    return all;
}

Dictionary dictionary(const json::value& value) {
    Dictionary all;
    for (const json::value& pair : value.as_array()) {
        all.push_back({text_of(pair.as_array()[0]), member(pair.as_array()[1])});
    }
    return all;
}

// Lines of a field as one text (RFC 9651 section 4.2).
std::string joined(const json::value& lines) {
    std::string text;
    bool is_first = true;
    for (const json::value& line : lines.as_array()) {
        text += (is_first ? "" : ", ") + text_of(line);
        is_first = false;
    }
    return text;
}

bool flag(const json::object& vector, const char* name) {
    const json::value* value = vector.if_contains(name);
    return value != nullptr && value->as_bool();
}

template <class Value>
void check_reading(const json::object& vector, const std::optional<Value>& read, Value (*expect)(const json::value&)) {
    if (flag(vector, "must_fail")) {
        CHECK_FALSE(read);
        return;
    }
    // `can_fail` marks what a strict reader may refuse; this one refuses nothing that is allowed.
    REQUIRE(read);
    CHECK((*read == expect(vector.at("expected"))));
    const json::value* canonical = vector.if_contains("canonical");
    CHECK(serialise(*read) == joined(canonical != nullptr ? *canonical : vector.at("raw")));
}

template <class Value>
void check_writing(const json::object& vector, const Value& value) {
    const auto text = serialise(value);
    if (flag(vector, "must_fail")) {
        CHECK_FALSE(text);
    } else {
        CHECK(text == joined(vector.at("canonical")));
    }
}

void check_vector(const json::object& vector) {
    const std::string type = text_of(vector.at("header_type"));
    const json::value* raw = vector.if_contains("raw");
    if (raw == nullptr) {
        const json::value& value = vector.at("expected");
        if (type == "item") return check_writing(vector, item(value));
        if (type == "list") return check_writing(vector, list(value));
        return check_writing(vector, dictionary(value));
    }
    const std::string text = joined(*raw);
    if (type == "item") return check_reading(vector, parse_item(text), &item);
    if (type == "list") return check_reading(vector, parse_list(text), &list);
    REQUIRE(type == "dictionary");
    check_reading(vector, parse_dictionary(text), &dictionary);
}

json::value read_json(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    REQUIRE(in.good());
    std::ostringstream text;
    text << in.rdbuf();
    return json::parse(text.str());
}

} // namespace

TEST_CASE("the public vectors of Structured Fields are read and written as they say") {
    std::size_t files = 0;
    std::size_t vectors = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(kFolder)) {
        if (entry.path().extension() != ".json") continue;
        ++files;
        const json::value file = read_json(entry.path());
        for (const json::value& vector : file.as_array()) {
            const std::string name = entry.path().filename().string() + ": " + text_of(vector.as_object().at("name"));
            CAPTURE(name);
            check_vector(vector.as_object());
            ++vectors;
        }
    }
    CHECK(files == 24);
    CHECK(vectors > 2000);
}
