// How nodes look in messages.
#include "config/document.h"

#include <cstdio>

namespace gatehouse::config {
namespace {

constexpr std::size_t kLongestQuote = 60;

bool continues_character(char c) noexcept { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

void append_escaped(std::string& out, char c) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
        out += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
        char buffer[8];
        std::snprintf(buffer, sizeof buffer, "\\x%02x", static_cast<unsigned>(byte));
        out += buffer;
    } else {
        out += c;
    }
}

} // namespace

std::string quote(std::string_view text) {
    std::size_t length = text.size();
    if (length > kLongestQuote) {
        length = kLongestQuote;
        while (length > 0 && continues_character(text[length])) --length;
    }
    std::string out = "`";
    for (const char c : text.substr(0, length)) append_escaped(out, c);
    if (length < text.size()) out += "...";
    return out + "`";
}

std::string describe_found(const DocumentNode& node) {
    switch (node.kind) {
    case DocumentNode::Kind::Nothing: return "nothing";
    case DocumentNode::Kind::Scalar:
        if (node.written.empty()) return node.secret ? "a secret" : quote(node.scalar);
        return (node.secret ? "what stands behind " : quote(node.scalar) + " from ") + quote(node.written);
    case DocumentNode::Kind::List: return "a list";
    case DocumentNode::Kind::Mapping: return "a mapping";
    case DocumentNode::Kind::Unusable: return quote(node.written);
    }
    return "nothing";
}

} // namespace gatehouse::config
