// Reads Structured Fields; the algorithms of RFC 9651 section 4.2. Writing them: structured_fields_text.cpp.
#include "http/structured_fields.h"

#include "http/ascii.h"
#include "http/structured_fields_detail.h"

#include <algorithm>

namespace gatehouse::http::structured {

namespace {

using namespace detail;

// Reads from front to back. Every function that reads returns false on a mistake; one mistake makes the whole field
// unusable, so nothing needs to be undone.
class Reader {
public:
    explicit Reader(std::string_view text) : rest_(text) {}

    bool read_whole_item(Item& item) {
        skip(" ");
        return read_item(item) && ends();
    }

    // Members are separated by commas with optional white space, and no comma stands at the end.
    // RFC 9651 sections 4.2.1 and 4.2.2
    template <class ReadMember>
    bool read_members(ReadMember&& read_member) {
        skip(" ");
        for (std::size_t count = 0; !rest_.empty(); ++count) {
            if (count == kMaxMembers || !read_member()) {
                return false;
            }
            if (skip(" \t"); rest_.empty()) {
                return true;
            }
            if (!take(',')) {
                return false;
            }
            if (skip(" \t"); rest_.empty()) {
                return false;
            }
        }
        return true;
    }

    // RFC 9651 section 4.2.1.1
    bool read_member(Member& member) {
        if (!rest_.starts_with('(')) {
            return read_item(member.emplace<Item>());
        }
        auto& list = member.emplace<InnerList>();
        return read_inner_list(list.items) && read_parameters(list.parameters);
    }

    // A member without "=" has the value true. RFC 9651 section 4.2.2
    bool read_dictionary_member(DictionaryMember& member) {
        if (!read_key(member.key)) {
            return false;
        }
        if (take('=')) {
            return read_member(member.value);
        }
        auto& item = member.value.emplace<Item>();
        item.value = true;
        return read_parameters(item.parameters);
    }

private:
    bool take(char c) noexcept {
        if (!rest_.starts_with(c)) {
            return false;
        }
        rest_.remove_prefix(1);
        return true;
    }

    void skip(std::string_view characters) noexcept {
        rest_.remove_prefix(std::min(rest_.find_first_not_of(characters), rest_.size()));
    }

    bool ends() noexcept {
        skip(" ");
        return rest_.empty();
    }

    template <class Predicate>
    std::string_view take_while(Predicate&& accept) noexcept {
        const auto end = std::find_if_not(rest_.begin(), rest_.end(), accept);
        const std::string_view taken = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
        rest_.remove_prefix(taken.size());
        return taken;
    }

    bool read_item(Item& item) { return read_bare_item(item.value) && read_parameters(item.parameters); }

    // Items are separated by spaces alone. RFC 9651 section 4.2.1.2
    bool read_inner_list(std::vector<Item>& items) {
        take('(');
        while (!rest_.empty()) {
            skip(" ");
            if (take(')')) {
                return true;
            }
            if (items.size() == kMaxInnerItems || !read_item(items.emplace_back())) {
                return false;
            }
            if (!rest_.starts_with(' ') && !rest_.starts_with(')')) {
                return false;
            }
        }
        return false;
    }

    // A parameter without "=" has the value true; of equal keys the last value counts, at the place of the first.
    // RFC 9651 section 4.2.3.2
    bool read_parameters(Parameters& parameters) {
        for (std::size_t count = 0; take(';'); ++count) {
            skip(" ");
            std::string key;
            BareItem value = true;
            if (count == kMaxParameters || !read_key(key) || (take('=') && !read_bare_item(value))) {
                return false;
            }
            const auto same = [&](const Parameter& known) { return known.key == key; };
            const auto known = std::find_if(parameters.begin(), parameters.end(), same);
            if (known != parameters.end()) {
                known->value = std::move(value);
            } else {
                parameters.push_back({std::move(key), std::move(value)});
            }
        }
        return true;
    }

    // RFC 9651 section 4.2.3.3
    bool read_key(std::string& key) {
        if (rest_.empty() || !is_key_start(rest_.front())) {
            return false;
        }
        key = take_while(is_key_char);
        return true;
    }

    // The first character says which type it is. RFC 9651 section 4.2.3.1
    bool read_bare_item(BareItem& value) {
        const char first = rest_.empty() ? '\0' : rest_.front();
        switch (first) {
        case '"': return read_string(value.emplace<std::string>());
        case ':': return read_byte_sequence(value.emplace<ByteSequence>().bytes);
        case '?': return read_boolean(value.emplace<bool>());
        case '@': return read_date(value);
        case '%': return read_display_string(value.emplace<DisplayString>().utf8);
        default: break;
        }
        if (first == '-' || is_digit(first)) {
            return read_number(value);
        }
        if (is_token_start(first)) {
            value = Token{std::string(take_while(is_token_rest))};
            return true;
        }
        return false;
    }

    // At most 15 digits, or 12 before the point and one to three behind it. RFC 9651 section 4.2.4
    bool read_number(BareItem& value) {
        const std::int64_t sign = take('-') ? -1 : 1;
        const std::string_view whole = take_while(is_digit);
        if (!take('.')) {
            value = sign * number_of(whole);
            return !whole.empty() && whole.size() <= kMaxIntegerDigits;
        }
        const std::string_view fraction = take_while(is_digit);
        if (whole.empty() || whole.size() > kMaxDecimalDigits || fraction.empty() ||
            fraction.size() > kMaxFractionDigits) {
            return false;
        }
        std::int64_t thousandths = number_of(fraction);
        for (std::size_t digits = fraction.size(); digits < kMaxFractionDigits; ++digits) {
            thousandths *= 10;
        }
        value = Decimal{sign * (number_of(whole) * kThousand + thousandths)};
        return true;
    }

    static std::int64_t number_of(std::string_view digits) noexcept {
        std::int64_t number = 0;
        for (const char c : digits.substr(0, kMaxIntegerDigits)) {
            number = number * 10 + (c - '0');
        }
        return number;
    }

    // Printable ASCII; a backslash escapes a quote or a backslash and nothing else. RFC 9651 section 4.2.5
    bool read_string(std::string& text) {
        take('"');
        while (!rest_.empty()) {
            if (take('"')) {
                return true;
            }
            if (take('\\') && !rest_.starts_with('"') && !rest_.starts_with('\\')) {
                return false;
            }
            if (rest_.empty() || !is_printable(rest_.front())) {
                return false;
            }
            text += rest_.front();
            rest_.remove_prefix(1);
        }
        return false;
    }

    // RFC 9651 section 4.2.7
    bool read_byte_sequence(std::string& bytes) {
        take(':');
        const std::size_t size = rest_.find(':');
        if (size == std::string_view::npos) {
            return false;
        }
        const std::string_view encoded = rest_.substr(0, size);
        rest_.remove_prefix(size + 1);
        return decode_base64(encoded, bytes);
    }

    // RFC 9651 section 4.2.8
    bool read_boolean(bool& value) {
        take('?');
        value = rest_.starts_with('1');
        return take('1') || take('0');
    }

    // An integer, and no decimal. RFC 9651 section 4.2.9
    bool read_date(BareItem& value) {
        take('@');
        BareItem number;
        if (!read_number(number) || !std::holds_alternative<std::int64_t>(number)) {
            return false;
        }
        value = Date{std::get<std::int64_t>(number)};
        return true;
    }

    // Printable ASCII, and bytes as "%" with two lower-case hexadecimal digits; together UTF-8.
    // RFC 9651 section 4.2.10
    bool read_display_string(std::string& text) {
        take('%');
        if (!take('"')) {
            return false;
        }
        while (!rest_.empty()) {
            if (take('"')) {
                return is_utf8(text);
            }
            if (take('%')) {
                const int high = rest_.size() < 2 ? -1 : hex_value(rest_[0]);
                const int low = rest_.size() < 2 ? -1 : hex_value(rest_[1]);
                if (high < 0 || low < 0) {
                    return false;
                }
                text += static_cast<char>(high * 16 + low);
                rest_.remove_prefix(2);
            } else if (is_printable(rest_.front())) {
                text += rest_.front();
                rest_.remove_prefix(1);
            } else {
                return false;
            }
        }
        return false;
    }

    static int hex_value(char c) noexcept {
        if (is_digit(c)) {
            return c - '0';
        }
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    }

    static int base64_value(char c) noexcept {
        if (c >= 'A' && c <= 'Z') {
            return c - 'A';
        }
        if (c >= 'a' && c <= 'z') {
            return c - 'a' + 26;
        }
        if (is_digit(c)) {
            return c - '0' + 52;
        }
        return c == '+' ? 62 : c == '/' ? 63 : -1;
    }

    // Padding that is missing and bits behind the last byte are let pass, as RFC 9651 section 4.2.7 asks; padding
    // anywhere but at the end is not, and neither is a last character that holds no whole byte.
    static bool decode_base64(std::string_view encoded, std::string& bytes) {
        const bool is_padded = encoded.ends_with('=');
        if (is_padded && encoded.size() % 4 != 0) {
            return false;
        }
        for (int padding = 0; padding < 2 && encoded.ends_with('='); ++padding) {
            encoded.remove_suffix(1);
        }
        if (encoded.size() % 4 == 1) {
            return false;
        }
        std::uint32_t bits = 0;
        int held = 0;
        for (const char c : encoded) {
            const int value = base64_value(c);
            if (value < 0) {
                return false;
            }
            bits = (bits << 6 | static_cast<std::uint32_t>(value)) & 0xffff;
            held += 6;
            if (held >= 8) {
                held -= 8;
                bytes += static_cast<char>(bits >> held & 0xff);
            }
        }
        return true;
    }

    std::string_view rest_;
};

// Where each key of a dictionary stands. OPTIMIZATION: sorted by key, so that 1,024 members cost no million compares.
class KeyIndex {
public:
    // The index of the member with that key, or nothing; then it is noted to be at `next`.
    std::optional<std::size_t> find_or_note(const std::string& key, std::size_t next) {
        const auto before = [](const auto& known, const std::string& wanted) { return known.first < wanted; };
        const auto at = std::lower_bound(places_.begin(), places_.end(), key, before);
        if (at != places_.end() && at->first == key) {
            return at->second;
        }
        places_.insert(at, {key, next});
        return std::nullopt;
    }

private:
    std::vector<std::pair<std::string, std::size_t>> places_;
};

} // namespace

std::optional<Item> parse_item(std::string_view text) {
    Item item;
    if (text.size() > kMaxTextBytes || !Reader(text).read_whole_item(item)) {
        return std::nullopt;
    }
    return item;
}

std::optional<List> parse_list(std::string_view text) {
    List list;
    Reader reader(text);
    if (text.size() > kMaxTextBytes || !reader.read_members([&] { return reader.read_member(list.emplace_back()); })) {
        return std::nullopt;
    }
    return list;
}

std::optional<Dictionary> parse_dictionary(std::string_view text) {
    Dictionary dictionary;
    KeyIndex index;
    Reader reader(text);
    const auto read_member = [&] {
        DictionaryMember member;
        if (!reader.read_dictionary_member(member)) {
            return false;
        }
        // Of equal keys the last value counts, at the place of the first. RFC 9651 section 4.2.2
        if (const auto known = index.find_or_note(member.key, dictionary.size())) {
            dictionary[*known].value = std::move(member.value);
        } else {
            dictionary.push_back(std::move(member));
        }
        return true;
    };
    if (text.size() > kMaxTextBytes || !reader.read_members(read_member)) {
        return std::nullopt;
    }
    return dictionary;
}

const Member* find(const Dictionary& dictionary, std::string_view key) noexcept {
    const auto same = [&](const DictionaryMember& member) { return member.key == key; };
    const auto found = std::find_if(dictionary.begin(), dictionary.end(), same);
    return found == dictionary.end() ? nullptr : &found->value;
}

} // namespace gatehouse::http::structured
