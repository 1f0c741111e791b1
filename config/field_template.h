// Values of request fields with places for what is known of the request: "{client_ip}", "{host}{path}".
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gatehouse::config {

struct TemplateValues {
    std::string_view client_ip;
    std::string_view scheme; // what the client spoke
    std::string_view host;   // what the client asked for
    std::string_view method;
    std::string_view path;
    std::string_view query;
};

// Whether each "{...}" names a value; "{{" stands for "{".
bool is_field_template(std::string_view text);
// Requires: is_field_template(text).
std::string fill_template(std::string_view text, const TemplateValues& values);

} // namespace gatehouse::config
