#include "cache/policy/targeted_cache_control.h"

#include "http/ascii.h"

#include <algorithm>
#include <string>
#include <vector>

namespace gatehouse::cache::policy {

namespace {

enum class Kind : std::uint8_t { True, False, Integer, Other };

struct Member {
    std::string_view key;
    Kind kind = Kind::True;
    std::string_view text; // Integer: as written
};

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_lower(char c) noexcept { return c >= 'a' && c <= 'z'; }
constexpr bool is_alpha(char c) noexcept { return is_lower(http::to_lower(c)); }

// Reads a dictionary from front to back. Every function that reads returns false, or an empty value, on a mistake;
// one mistake makes the whole field unusable.
class DictionaryReader {
public:
    explicit DictionaryReader(std::string_view text) : rest_(text) {}

    // RFC 8941 section 4.2.2: members separated by commas, no comma at the end, the last of equal keys counts.
    bool read(std::vector<Member>& members) {
        skip(" ");
        while (!rest_.empty()) {
            Member member;
            if (!read_member(member)) {
                return false;
            }
            const auto same = [&](const Member& known) { return known.key == member.key; };
            members.erase(std::remove_if(members.begin(), members.end(), same), members.end());
            members.push_back(member);
            skip(" \t");
            if (rest_.empty()) {
                return true;
            }
            if (!take(',')) {
                return false;
            }
            skip(" \t");
            if (rest_.empty()) {
                return false;
            }
        }
        return true;
    }

private:
    bool take(char c) noexcept {
        if (rest_.empty() || rest_.front() != c) {
            return false;
        }
        rest_.remove_prefix(1);
        return true;
    }

    void skip(std::string_view characters) noexcept {
        rest_.remove_prefix(std::min(rest_.find_first_not_of(characters), rest_.size()));
    }

    template <class Predicate>
    std::string_view take_while(Predicate&& accept) noexcept {
        const auto end = std::find_if_not(rest_.begin(), rest_.end(), accept);
        const auto size = static_cast<std::size_t>(end - rest_.begin());
        const std::string_view taken = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return taken;
    }

    // A key begins with a lower-case letter or '*'. RFC 8941 section 3.1.2
    std::string_view read_key() noexcept {
        if (rest_.empty() || (!is_lower(rest_.front()) && rest_.front() != '*')) {
            return {};
        }
        return take_while(
            [](char c) { return is_lower(c) || is_digit(c) || c == '_' || c == '-' || c == '.' || c == '*'; });
    }

    bool read_member(Member& member) noexcept {
        member.key = read_key();
        if (member.key.empty()) {
            return false;
        }
        if (!take('=')) {
            return read_parameters();
        }
        if (rest_.starts_with('(')) {
            member.kind = Kind::Other;
            return read_inner_list() && read_parameters();
        }
        return read_bare_item(member.kind, member.text) && read_parameters();
    }

    // Parameters are read over: no directive gives them a meaning. RFC 9213 section 2.1
    bool read_parameters() noexcept {
        while (take(';')) {
            skip(" ");
            Kind kind = Kind::True;
            std::string_view text;
            if (read_key().empty() || (take('=') && !read_bare_item(kind, text))) {
                return false;
            }
        }
        return true;
    }

    // RFC 8941 section 4.2.1.2
    bool read_inner_list() noexcept {
        take('(');
        while (!rest_.empty()) {
            skip(" ");
            if (take(')')) {
                return true;
            }
            Kind kind = Kind::True;
            std::string_view text;
            if (!read_bare_item(kind, text) || !read_parameters()) {
                return false;
            }
            if (!rest_.starts_with(' ') && !rest_.starts_with(')')) {
                return false;
            }
        }
        return false;
    }

    // RFC 8941 section 4.2.3.1
    bool read_bare_item(Kind& kind, std::string_view& text) noexcept {
        if (rest_.empty()) {
            return false;
        }
        const char first = rest_.front();
        if (first == '-' || is_digit(first)) {
            return read_number(kind, text);
        }
        if (take('?')) {
            kind = rest_.starts_with('1') ? Kind::True : Kind::False;
            return take('1') || take('0');
        }
        kind = Kind::Other;
        if (take('"')) {
            return read_string();
        }
        if (take(':')) {
            take_while([](char c) { return is_alpha(c) || is_digit(c) || c == '+' || c == '/' || c == '='; });
            return take(':');
        }
        if (is_alpha(first) || first == '*') {
            take_while([](char c) { return http::is_token_char(c) || c == ':' || c == '/'; });
            return true;
        }
        return false;
    }

    // At most 15 digits, or 12 before the point and one to three behind it. RFC 8941 section 4.2.4
    bool read_number(Kind& kind, std::string_view& text) noexcept {
        const std::string_view begin = rest_;
        take('-');
        const std::size_t whole = take_while(is_digit).size();
        kind = Kind::Integer;
        bool well_formed = whole >= 1 && whole <= 15;
        if (take('.')) {
            kind = Kind::Other;
            const std::size_t fraction = take_while(is_digit).size();
            well_formed = whole >= 1 && whole <= 12 && fraction >= 1 && fraction <= 3;
        }
        text = begin.substr(0, begin.size() - rest_.size());
        return well_formed;
    }

    // Printable ASCII; a backslash escapes a quote or a backslash and nothing else. RFC 8941 section 4.2.5
    bool read_string() noexcept {
        while (!rest_.empty()) {
            if (take('"')) {
                return true;
            }
            if (take('\\')) {
                if (!take('"') && !take('\\')) {
                    return false;
                }
                continue;
            }
            if (rest_.front() < 0x20 || rest_.front() > 0x7e) {
                return false;
            }
            rest_.remove_prefix(1);
        }
        return false;
    }

    std::string_view rest_;
};

// Whether a value of the wrong type would permit something; such a directive is left out.
bool permits(std::string_view key) noexcept { return key == "public" || key == "must-understand"; }

// The member as a directive of Cache-Control. A bare lifetime is one without a value, which is Invalid.
void append_directive(const Member& member, std::string& out) {
    if (member.kind == Kind::False || (member.kind != Kind::True && permits(member.key))) {
        return;
    }
    if (!out.empty()) {
        out += ", ";
    }
    out += member.key;
    if (member.kind == Kind::Integer) {
        out += '=';
        out += member.text;
    }
}

} // namespace

std::optional<http::ResponseCacheControl> parse_targeted_cache_control(const http::Fields& fields,
                                                                       std::string_view field_name) {
    if (!fields.contains(field_name)) {
        return std::nullopt;
    }
    const std::string text = fields.combined(field_name);
    std::vector<Member> members;
    // A field that is empty or cannot be parsed is ignored as if it were absent. RFC 9213 section 2.1
    if (!DictionaryReader(text).read(members) || members.empty()) {
        return std::nullopt;
    }
    std::string directives;
    for (const Member& member : members) {
        append_directive(member, directives);
    }
    http::Fields translated;
    translated.add("Cache-Control", directives);
    return http::parse_response_cache_control(translated);
}

} // namespace gatehouse::cache::policy
