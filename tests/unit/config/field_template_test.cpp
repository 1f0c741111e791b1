// Values of fields with places for what is known of a request.
#include "config/field_template.h"

#include <doctest/doctest.h>

using namespace gatehouse::config;

TEST_CASE("a template is filled with what is known of the request") {
    const TemplateValues values{"192.0.2.1", "https", "shop.test", "GET", "/a", "b=c"};
    struct Row {
        const char* text;
        bool is_template;
        const char* filled;
    };
    const Row rows[] = {
        {"", true, ""},
        {"plain", true, "plain"},
        {"{client_ip}", true, "192.0.2.1"},
        {"{method} {scheme}://{host}{path}?{query}", true, "GET https://shop.test/a?b=c"},
        {"{{client_ip}", true, "{client_ip}"},
        {"a}b", true, "a}b"},
        {"{client_ip", false, ""},
        {"{clientip}", false, ""},
        {"{}", false, ""},
        {"{", false, ""},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        CHECK(is_field_template(row.text) == row.is_template);
        if (row.is_template) {
            CHECK(fill_template(row.text, values) == row.filled);
        }
    }
}
