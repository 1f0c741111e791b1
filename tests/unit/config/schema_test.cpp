// The JSON Schema: the checked-in copy, what it says of each field, and what it accepts and refuses.
#include "config/schema.h"

#include "config/description.h"
#include "config/loader.h"
#include "config/units.h"
#include "config/variables.h"
#include "tests/unit/config/full_yaml.h"
#include "tests/unit/config/schema_checker.h"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <regex>
#include <string>

using namespace gatehouse::config;
using namespace gatehouse::config::testing;

namespace {

namespace json = boost::json;

const std::string kConf = std::string(GATEHOUSE_SOURCE_DIR) + "/conf/";

const SchemaChecker& checker() {
    static const SchemaChecker kChecker(json::parse(json_schema()));
    return kChecker;
}

std::string objections(const std::string& yaml) {
    const NodePtr tree = load_tree(yaml);
    REQUIRE(tree != nullptr);
    std::string out;
    for (const std::string& one : checker().check(*tree)) out += one + "\n";
    return out;
}

// The schema of "origins.<name>.url", step by step through properties, items and additionalProperties.
const json::object* schema_at(const json::value& schema, const std::string& path) {
    const json::object* here = schema.if_object();
    for (std::size_t at = 0; here != nullptr && at < path.size();) {
        const std::size_t end = std::min(path.find_first_of(".[", at), path.size());
        const std::string name = path.substr(at, end - at);
        at = end;
        if (name == "]") { // the end of "[]"
            at = std::min(at + 1, path.size());
            continue;
        }
        if (const json::value* forms = here->if_contains("anyOf")) here = forms->as_array().back().if_object();
        const json::value* below = name == "<name>" ? here->if_contains("additionalProperties")
                                                    : here->at("properties").as_object().if_contains(name);
        here = below != nullptr ? below->if_object() : nullptr;
        if (at < path.size() && path[at] == '[' && here != nullptr) here = here->at("items").if_object();
        at = std::min(at + 1, path.size());
    }
    return here;
}

} // namespace

TEST_CASE("conf/gatehouse.schema.json is what the program prints") {
    // On failure: gatehouse schema > conf/gatehouse.schema.json
    CHECK((read_whole_file(kConf + "gatehouse.schema.json") == json_schema()));
}

TEST_CASE("The schema is one of JSON Schema 2020-12") {
    const json::value schema = json::parse(json_schema());
    CHECK(schema.as_object().at("$schema").as_string() == "https://json-schema.org/draft/2020-12/schema");
    CHECK(schema.as_object().at("additionalProperties").as_bool() == false);
    CHECK(schema.as_object().at("then").as_object().at("required").as_array() == json::array{"origins", "behaviors"});
}

TEST_CASE("Every field stands in the schema, with a text to hover and its default") {
    const json::value schema = json::parse(json_schema());
    for (const FieldDescription& field : field_descriptions()) {
        CAPTURE(field.path);
        const json::object* found = schema_at(schema, field.path);
        REQUIRE(found != nullptr);
        const bool is_list = field.shape == FieldShape::ListOfMappings;
        CHECK(std::string(found->at("description").as_string()).find(field.sentence) == 0);
        CHECK(is_list == (found->contains("items") && field.shape != FieldShape::Value));
        const bool is_plain = !field.default_text.empty() && field.default_text.find(' ') == std::string::npos;
        if (is_plain) CHECK(found->contains("default"));
        if (field.required) CHECK_FALSE(found->contains("default"));
    }
    CHECK(schema_at(schema, "workers")->at("default").as_string() == "auto");
    CHECK(schema_at(schema, "limits.head_fields")->at("default").as_int64() == 128);
    CHECK(schema_at(schema, "access_log.enabled")->at("default").as_bool());
    CHECK(schema_at(schema, "dns.max_ttl")->at("default").as_string() == "5m");
    CHECK(schema_at(schema, "cache_policies.<name>.targeted_cache_control")->at("default").as_array() ==
          json::array{"CDN-Cache-Control"});
    CHECK_FALSE(schema_at(schema, "cache_policies.<name>.max_ttl")->contains("default"));
}

TEST_CASE("Every file of conf/ names the schema and fits it") {
    int files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(kConf)) {
        if (entry.path().extension() != ".yaml") continue;
        ++files;
        CAPTURE(entry.path().string());
        const std::string text = read_whole_file(entry.path().string());
        CHECK(text.starts_with("# yaml-language-server: $schema=gatehouse.schema.json\n"));
        CHECK(objections(text) == "");
    }
    CHECK(files >= 4);
}

TEST_CASE("For every field the schema refuses an unknown sibling and a value of no form it has") {
    for (const FieldDescription& field : field_descriptions()) {
        CAPTURE(field.path);
        const FullYaml yaml(field.path);
        const FieldLines lines = yaml.find(field.path);
        CHECK(objections(yaml.with_line_after(lines, lines.name + "x: 1")) != "");
        CHECK(objections(yaml.with_value(lines, "{zz_qqqq: {zz_qqqq: [[]]}}")) != "");
        CHECK(objections(yaml.with_value(lines, "[[[]]]")) != "");
        // Without listeners it could be a file that others include.
        const bool may_be_a_part = field.path == "listeners";
        if (field.required && !lines.first_of_item) CHECK((objections(yaml.without(lines)) == "") == may_be_a_part);
    }
}

TEST_CASE("The schema accepts each spelling that the loader accepts, and refuses what it refuses") {
    struct Row {
        std::string field;
        std::string value;
        bool accepted;
    };
    const std::string key = "cache_policies.<name>.key.";
    const Row rows[] = {
        {"workers", "auto", true},
        {"workers", "1024", true},
        {"workers", "1025", false},
        {"workers", "0", false},
        {"workers", "automatic", false},
        {"cache.memory.shards", "256", true},
        {"cache.memory.shards", "3", false},
        {"cache.memory.relay_buffers", "65536", true},
        {"cache.memory.relay_buffers", "65535", false},
        {"cache.memory.relay_buffers", "1.5GiB", true},
        {"cache.memory.relay_buffers", "1 GiB", false},
        {"timeouts.idle", "1h30m", true},
        {"timeouts.idle", "0", false},
        {"timeouts.idle", "90", false},
        {"timeouts.expect_continue", "0", true},
        {"timeouts.expect_continue", "90", false},
        {"access_log", "off", true},
        {"access_log", "false", true},
        {"access_log", "on", false},
        {"origins.<name>.verify", "off", true},
        {"origins.<name>.verify", "no", false},
        {"origins.<name>.url", "HTTP://a:1/b", true},
        {"origins.<name>.url", "ftp://a", false},
        {"origins.<name>.url", "http://a?b", false},
        {"behaviors[].host", "viewer", true},
        {"behaviors[].host", "client", false},
        {"behaviors[].path_pattern", "/a*.j?g", true},
        {"behaviors[].path_pattern", "'/a[b]'", false},
        {"cache_policies.<name>.error_ttl", "{404: 10s, 5xx: 0}", true},
        {"cache_policies.<name>.error_ttl", "{399: 10s}", false},
        {"cache_policies.<name>.error_ttl", "{404: ten}", false},
        {"behaviors[].error_pages", "{400: {page: /catalogue/a}, 4xx: {page: /catalogue/a}}", true},
        {"behaviors[].error_pages", "{411: {page: /catalogue/a}, 413: {page: /catalogue/a}}", true},
        {"behaviors[].error_pages", "{417: {page: /catalogue/a}, 599: {page: /catalogue/a}}", true},
        {"behaviors[].error_pages", "{399: {page: /catalogue/a}}", false},
        {"behaviors[].error_pages", "{412: {page: /catalogue/a}}", false},
        {"behaviors[].error_pages", "{416: {page: /catalogue/a}}", false},
        {"behaviors[].error_pages", "{600: {page: /catalogue/a}}", false},
        {"behaviors[].error_pages", "{404: /catalogue/a}", false},
        {"behaviors[].error_pages", "{404: {page: /catalogue/a, status: 199}}", false},
        {"behaviors[].error_pages", "{404: {page: /catalogue/a, status: 200}}", true},
        {"behaviors[].error_pages", "{404: {page: /catalogue/a, status: 201}}", false},
        {"behaviors[].error_pages", "{404: {page: /catalogue/a, status: 399}}", false},
        {"behaviors[].error_pages", "{404: {page: /catalogue/a, status: 400}}", true},
        {"behaviors[].error_pages", "{404: {page: /catalogue/a, status: 411}}", true},
        {"behaviors[].error_pages", "{404: {page: /catalogue/a, status: 412}}", false},
        {"behaviors[].error_pages", "{404: {page: /catalogue/a, status: 413}}", true},
        {"behaviors[].error_pages", "{404: {page: /catalogue/a, status: 416}}", false},
        {"behaviors[].error_pages", "{404: {page: /catalogue/a, status: 599}}", true},
        {"behaviors[].error_pages", "{404: {page: /catalogue/a, status: 600}}", false},
        {"behaviors[].error_pages", "{404: {page: /catalogue/a, status: '${GATEHOUSE_NONE:-200}'}}", true},
        {"behaviors[].error_pages", "{404: {page: '/catalogue/a%20b?c'}}", true},
        {"behaviors[].error_pages", "{404: {page: /catalogue/a b}}", false},
        {"behaviors[].error_pages", "{404: {page: /catalogue/a%2}}", false},
        {"behaviors[].error_pages", "{404: {page: /catalogue/gr\xC3\xB6n}}", false},
        {"tests[].expect.error_page", "none", true},
        {"tests[].expect.error_page", "404", true},
        {"tests[].expect.error_page", "99", false},
        {"tests[].expect.error_page", "nobody", false},
        {key + "query_strings", "all", true},
        {key + "query_strings", "{except: [utm_*]}", true},
        {key + "query_strings", "{except: [u*m]}", false},
        {key + "query_strings", "{allow: [a], except: [b]}", false},
        {key + "query_strings", "[a]", false},
        {key + "headers", "[Accept]", true},
        {key + "headers", "all", false},
        {key + "headers", "{except: [a]}", false},
        {"trusted_proxies", "[10.0.0.0/8, '2001:db8::/32']", true},
        {"trusted_proxies", "[office]", false},
        {"dns.servers", "['[::1]:53', 192.0.2.1]", true},
        {"dns.servers", "[ns.example]", false},
        {"listeners", "[{address: 'unix:/run/g'}]", true},
        {"listeners", "[{address: localhost}]", false},
        {"listeners", "[]", false},
        {"limits", "", true},
        {"workers", "${GATEHOUSE_NONE:-2}", true},
        {"workers", "a${GATEHOUSE_NONE:-2}", false},
        {"cache.memory.shards", "${GATEHOUSE_NONE:-16}", true},
        {"cache.memory.relay_buffers", "${GATEHOUSE_NONE:-64}KiB", true},
        {"timeouts.idle", "${GATEHOUSE_NONE:-1}h", true},
        {"timeouts.expect_continue", "${GATEHOUSE_NONE:-0}", true},
        {"access_log", "${GATEHOUSE_NONE:-off}", true},
        {"origins.<name>.verify", "${GATEHOUSE_NONE:-true}", true},
        {"origins.<name>.url", "${GATEHOUSE_NONE:-http://a}", true},
        {"behaviors[].host", "${GATEHOUSE_NONE:-viewer}", true},
        {"cache_policies.<name>.error_ttl", "{404: '${GATEHOUSE_NONE:-10s}'}", true},
        {key + "query_strings", "${GATEHOUSE_NONE:-none}", true},
        {key + "headers", "['${GATEHOUSE_NONE:-Accept}']", true},
    };
    for (const Row& row : rows) {
        CAPTURE(row.field);
        CAPTURE(row.value);
        const FullYaml yaml(row.field);
        const std::string text = yaml.with_value(yaml.find(row.field), row.value);
        CHECK((load_text(text, full_yaml_path()).config != nullptr) == row.accepted);
        // What a variable stands for no schema can know.
        const bool fits = row.accepted || has_variables(row.value);
        CHECK((objections(text) == "") == fits);
    }
}

TEST_CASE("A file that includes others, and one that is included, need not be whole") {
    const std::string listeners = "listeners: [{address: '127.0.0.1:0'}]\n";
    CHECK(objections(listeners) == ": required\n");
    CHECK(objections("include: []\n" + listeners) == ": required\n");
    CHECK(objections("include: [a.yaml]\n" + listeners) == "");
    CHECK(objections("origins: {a: {url: 'http://a'}}\n") == "");
    CHECK(objections("origins: {a: {}}\n") != "");
    CHECK(objections("include: a.yaml\n" + listeners) != "");
}

TEST_CASE("The patterns of durations and sizes match what is parsed") {
    const std::regex duration(duration_pattern(), std::regex::ECMAScript);
    for (const char* text :
         {"0",      "0s",  "250ms", "10s",   "1.5s",    "1h30m", "7d",   "1d2h3m4s5ms", "0.25d",
          "1h1.5m", "",    "10",    "s",     "1.5h30m", "1m1h",  "1s1s", "1.s",         ".5s",
          "-5s",    "1 s", "10sec", "1ms1s", "1.5",     "0 ",    "1M",   "00",          "1.0000000001s"}) {
        CAPTURE(text);
        CHECK(std::regex_search(text, duration) == parse_duration(text).has_value());
    }
    const std::regex size(size_pattern(), std::regex::ECMAScript);
    for (const char* text : {"0",    "512", "512B", "64KiB", "1MB",  "1.5GiB", "2TiB", "1TB",     "1GB", "1KB",
                             "1MiB", "",    "B",    "1kb",   "1 KB", "-1",     "1.",   "1.5.5MB", "1K",  "1MBB"}) {
        CAPTURE(text);
        CHECK(std::regex_search(text, size) == parse_size(text).has_value());
    }
}
