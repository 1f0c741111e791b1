// Writes Structured Fields in their canonical form; the algorithms of RFC 9651 section 4.1.
#include "http/structured_fields.h"
#include "http/structured_fields_detail.h"

#include <algorithm>
#include <cstdlib>

namespace gatehouse::http::structured {

namespace detail {

bool is_utf8(std::string_view text) noexcept {
    std::size_t at = 0;
    const auto byte = [&](std::size_t offset) {
        return at + offset < text.size() ? static_cast<unsigned char>(text[at + offset]) : 0U;
    };
    while (at < text.size()) {
        const unsigned first = byte(0);
        if (first < 0x80) {
            ++at;
            continue;
        }
        const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
        // The second byte tells what is too long, a surrogate, or too large.
        unsigned low = 0x80;
        unsigned high = 0xbf;
        switch (first) {
        case 0xe0: low = 0xa0; break;
        case 0xed: high = 0x9f; break;
        case 0xf0: low = 0x90; break;
        case 0xf4: high = 0x8f; break;
        default: break;
        }
        if (first < 0xc2 || first > 0xf4 || byte(1) < low || byte(1) > high) {
            return false;
        }
        for (std::size_t i = 2; i < size; ++i) {
            if (byte(i) < 0x80 || byte(i) > 0xbf) {
                return false;
            }
        }
        at += size;
    }
    return true;
}

} // namespace detail

namespace {

using namespace detail;

// Appends to one text. Every function that writes returns false when the value has no form.
class Writer {
public:
    bool write(const Item& item) {
        return std::visit([&](const auto& value) { return write_bare(value); }, item.value) && write(item.parameters);
    }

    // RFC 9651 section 4.1.1.1
    bool write(const InnerList& list) {
        out_ += '(';
        bool is_first = true;
        for (const Item& item : list.items) {
            out_ += is_first ? "" : " ";
            is_first = false;
            if (!write(item)) {
                return false;
            }
        }
        out_ += ')';
        return write(list.parameters);
    }

    bool write(const Member& member) {
        return std::visit([&](const auto& value) { return write(value); }, member);
    }

    // A member that is true is written without its value. RFC 9651 section 4.1.2
    bool write(const DictionaryMember& member) {
        if (!write_key(member.key)) {
            return false;
        }
        if (const Item* item = std::get_if<Item>(&member.value); item != nullptr && is_true(item->value)) {
            return write(item->parameters);
        }
        out_ += '=';
        return write(member.value);
    }

    template <class Members>
    std::optional<std::string> write_all(const Members& members) && {
        bool is_first = true;
        for (const auto& member : members) {
            out_ += is_first ? "" : ", ";
            is_first = false;
            if (!write(member)) {
                return std::nullopt;
            }
        }
        return std::move(out_);
    }

    std::string take() && { return std::move(out_); }

private:
    static bool is_true(const BareItem& value) noexcept {
        const bool* boolean = std::get_if<bool>(&value);
        return boolean != nullptr && *boolean;
    }

    // RFC 9651 section 4.1.1.2
    bool write(const Parameters& parameters) {
        for (const Parameter& parameter : parameters) {
            out_ += ';';
            if (!write_key(parameter.key)) {
                return false;
            }
            if (is_true(parameter.value)) {
                continue;
            }
            out_ += '=';
            if (!std::visit([&](const auto& value) { return write_bare(value); }, parameter.value)) {
                return false;
            }
        }
        return true;
    }

    // RFC 9651 section 4.1.1.3
    bool write_key(std::string_view key) {
        if (key.empty() || !is_key_start(key.front()) || !std::all_of(key.begin(), key.end(), is_key_char)) {
            return false;
        }
        out_ += key;
        return true;
    }

    // RFC 9651 section 4.1.4
    bool write_bare(std::int64_t number) {
        out_ += std::to_string(number);
        return number >= -kMaxInteger && number <= kMaxInteger;
    }

    // At least one digit behind the point, and no zeros at its end. RFC 9651 section 4.1.5
    bool write_bare(const Decimal& decimal) {
        if (decimal.thousandths < -kMaxInteger || decimal.thousandths > kMaxInteger) {
            return false;
        }
        const std::int64_t size = std::abs(decimal.thousandths);
        std::string fraction = std::to_string(kThousand + size % kThousand).substr(1);
        while (fraction.size() > 1 && fraction.ends_with('0')) {
            fraction.pop_back();
        }
        out_ += decimal.thousandths < 0 ? "-" : "";
        out_.append(std::to_string(size / kThousand)).append(1, '.').append(fraction);
        return true;
    }

    // RFC 9651 section 4.1.6
    bool write_bare(const std::string& text) {
        out_ += '"';
        for (const char c : text) {
            if (!is_printable(c)) {
                return false;
            }
            out_ += c == '"' || c == '\\' ? "\\" : "";
            out_ += c;
        }
        out_ += '"';
        return true;
    }

    // RFC 9651 section 4.1.7
    bool write_bare(const Token& token) {
        const std::string& text = token.text;
        out_ += text;
        return !text.empty() && is_token_start(text.front()) && std::all_of(text.begin(), text.end(), is_token_rest);
    }

    // RFC 9651 section 4.1.8
    bool write_bare(const ByteSequence& sequence) {
        static constexpr std::string_view kAlphabet =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const std::string& bytes = sequence.bytes;
        out_ += ':';
        for (std::size_t at = 0; at < bytes.size(); at += 3) {
            const std::size_t count = std::min<std::size_t>(bytes.size() - at, 3);
            std::uint32_t bits = 0;
            for (std::size_t i = 0; i < 3; ++i) {
                bits = bits << 8 | (i < count ? static_cast<unsigned char>(bytes[at + i]) : 0U);
            }
            for (std::size_t i = 0; i < 4; ++i) {
                out_ += i <= count ? kAlphabet[bits >> (18 - 6 * i) & 0x3f] : '=';
            }
        }
        out_ += ':';
        return true;
    }

    // RFC 9651 section 4.1.9
    bool write_bare(bool value) {
        out_ += value ? "?1" : "?0";
        return true;
    }

    // RFC 9651 section 4.1.10
    bool write_bare(const Date& date) {
        out_ += '@';
        return write_bare(date.seconds);
    }

    // RFC 9651 section 4.1.11
    bool write_bare(const DisplayString& text) {
        static constexpr std::string_view kHexDigits = "0123456789abcdef";
        if (!is_utf8(text.utf8)) {
            return false;
        }
        out_ += "%\"";
        for (const char c : text.utf8) {
            if (is_printable(c) && c != '%' && c != '"') {
                out_ += c;
                continue;
            }
            const auto byte = static_cast<unsigned char>(c);
            out_ += '%';
            out_ += kHexDigits[byte >> 4];
            out_ += kHexDigits[byte & 0xf];
        }
        out_ += '"';
        return true;
    }

    std::string out_;
};

} // namespace

std::optional<std::string> serialise(const Item& item) {
    Writer writer;
    if (!writer.write(item)) {
        return std::nullopt;
    }
    return std::move(writer).take();
}

std::optional<std::string> serialise(const List& list) { return Writer().write_all(list); }

std::optional<std::string> serialise(const Dictionary& dictionary) { return Writer().write_all(dictionary); }

} // namespace gatehouse::http::structured
