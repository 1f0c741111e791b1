// One pass over the value, from one `${` to the next.
#include "config/variables.h"

#include "config/document.h"
#include "config/units.h"

#include <algorithm>
#include <optional>

namespace gatehouse::config {
namespace {

constexpr std::string_view kStart = "${";
constexpr std::string_view kEscaped = "$${";
constexpr std::string_view kDefault = ":-";
constexpr std::string_view kFile = "file:";
constexpr std::string_view kAccepted =
    "expected ${NAME}, ${NAME:-default} or ${file:PATH}, or $${ for these characters "
    "themselves; found ";

bool is_name(std::string_view text) {
    const auto is_name_character = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    };
    const bool starts_with_digit = !text.empty() && text.front() >= '0' && text.front() <= '9';
    return !text.empty() && !starts_with_digit && std::all_of(text.begin(), text.end(), is_name_character);
}

// What a variable stands for, or what is wrong with it.
struct Found {
    std::optional<std::string> text;
    std::string problem;
};

Found checked(std::string text, const std::string& name) {
    if (SourceText(text).first_binary_byte()) return {std::nullopt, name + " is not UTF-8 text"};
    return {std::move(text), ""};
}

Found content_of(std::string_view path, const std::string& yaml_file, const Outside& outside) {
    if (path.empty()) return {std::nullopt, "expected ${file:PATH}; found no path"};
    const std::string full = path_beside(yaml_file, std::string(path));
    FileText file = outside.file(full);
    if (!file.text) return {std::nullopt, quote(full) + " " + file.problem};
    std::string& text = *file.text;
    if (text.ends_with('\n')) text.pop_back();
    if (text.ends_with('\r')) text.pop_back();
    return checked(std::move(text), quote(full));
}

Found value_of(std::string_view variable, const Outside& outside) {
    const std::size_t end_of_name = std::min(variable.find(kDefault), variable.size());
    const std::string name(variable.substr(0, end_of_name));
    if (!is_name(name)) return {std::nullopt, std::string(kAccepted) + quote("${" + std::string(variable) + "}")};
    auto value = outside.variable(name);
    const bool has_default = end_of_name < variable.size();
    if (has_default && (!value || value->empty())) {
        return {std::string(variable.substr(end_of_name + kDefault.size())), ""};
    }
    if (!value) {
        return {std::nullopt,
                "the environment has no variable " + name + "; ${" + name + ":-default} would give it a default"};
    }
    return checked(std::move(*value), "the value of the variable " + name);
}

Expanded refused(std::string problem, std::size_t at) {
    Expanded out;
    out.problem = std::move(problem);
    out.problem_at = at;
    return out;
}

} // namespace

bool has_variables(std::string_view text) noexcept { return text.find(kStart) != std::string_view::npos; }

Expanded expand_variables(std::string_view text, const std::string& yaml_file, const Outside& outside) {
    Expanded out;
    std::size_t at = 0;
    while (at < text.size()) {
        const std::string_view rest = text.substr(at);
        if (rest.starts_with(kEscaped)) {
            out.text += kStart;
            at += kEscaped.size();
            continue;
        }
        if (!rest.starts_with(kStart)) {
            out.text += rest.front();
            ++at;
            continue;
        }
        const std::size_t end = rest.find('}');
        if (end == std::string_view::npos) return refused("`${` without a `}` that ends it", at);
        const std::string_view variable = rest.substr(kStart.size(), end - kStart.size());
        const bool is_file = variable.starts_with(kFile);
        Found found =
            is_file ? content_of(variable.substr(kFile.size()), yaml_file, outside) : value_of(variable, outside);
        if (!found.text) return refused(std::move(found.problem), at);
        if (out.text.size() + found.text->size() > kLongestValue) {
            return refused("the value is longer than " + format_size(kLongestValue) + " with this", at);
        }
        out.text += *found.text;
        out.secret = out.secret || is_file;
        at += end + 1;
    }
    return out;
}

} // namespace gatehouse::config
