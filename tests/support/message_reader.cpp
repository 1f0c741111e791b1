#include "tests/support/message_reader.h"

#include "tests/support/gates.h"

#include <algorithm>
#include <charconv>

namespace gatehouse::testing {

namespace {

[[noreturn]] void malformed(const std::string& what) { throw HarnessError("malformed message: " + what); }

bool same_name(std::string_view a, std::string_view b) {
    const auto low = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return std::ranges::equal(a, b, [&](char x, char y) { return low(x) == low(y); });
}

bool is_token(std::string_view text) {
    constexpr std::string_view kPunctuation = "!#$%&'*+-.^_`|~";
    return !text.empty() && std::ranges::all_of(text, [&](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               kPunctuation.find(c) != std::string_view::npos;
    });
}

FieldLine parse_field(std::string_view line) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
        malformed("field line: " + std::string(line));
    }
    std::string_view value = line.substr(colon + 1);
    value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
    while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) {
        value.remove_suffix(1);
    }
    if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
        malformed("control character in a field");
    }
    return {std::string(line.substr(0, colon)), std::string(value)};
}

std::uint64_t parse_number(std::string_view text, int base) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc() || end != text.data() + text.size()) {
        malformed("number: " + std::string(text));
    }
    return value;
}

} // namespace

bool FieldLines::has(std::string_view name) const {
    return std::ranges::any_of(lines, [&](const FieldLine& line) { return same_name(line.name, name); });
}

std::string FieldLines::get(std::string_view name) const {
    const auto values = all(name);
    if (values.size() > 1) {
        throw HarnessError("several lines of " + std::string(name));
    }
    return values.empty() ? std::string() : values.front();
}

std::vector<std::string> FieldLines::all(std::string_view name) const {
    std::vector<std::string> values;
    for (const FieldLine& line : lines) {
        if (same_name(line.name, name)) {
            values.push_back(line.value);
        }
    }
    return values;
}

std::string parse_head(std::string_view head, FieldLines& fields) {
    std::string first;
    while (!head.empty()) {
        const auto end = head.find("\r\n");
        if (end == std::string_view::npos || head.substr(0, end).find('\n') != std::string_view::npos) {
            malformed("line end");
        }
        const std::string_view line = head.substr(0, end);
        head.remove_prefix(end + 2);
        if (first.empty()) {
            first = line;
        } else if (!line.empty()) {
            fields.lines.push_back(parse_field(line));
        }
    }
    return first;
}

Ending ending_of(const FieldLines& fields, std::uint64_t& length) {
    const bool has_length = fields.has("Content-Length");
    if (fields.has("Transfer-Encoding")) {
        if (has_length || fields.get("Transfer-Encoding") != "chunked") {
            malformed("framing");
        }
        return Ending::Chunked;
    }
    if (!has_length) {
        return Ending::None;
    }
    length = parse_number(fields.get("Content-Length"), 10);
    return Ending::Length;
}

void ContentReader::start(Ending ending, std::uint64_t length) {
    *this = ContentReader();
    ending_ = ending;
    left_ = length;
}

bool ContentReader::read(std::string& input, std::string& content, bool ended) {
    switch (ending_) {
    case Ending::None:
        return true;
    case Ending::Close:
        content += input;
        input.clear();
        return ended;
    case Ending::Length: {
        const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()));
        content.append(input, 0, part);
        input.erase(0, part);
        left_ -= part;
        return left_ == 0;
    }
    case Ending::Chunked:
        return read_chunked(input, content);
    }
    return true;
}

bool ContentReader::read_chunked(std::string& input, std::string& content) {
    for (;;) {
        if (step_ == Step::Data) {
            const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()));
            content.append(input, 0, part);
            input.erase(0, part);
            left_ -= part;
            if (left_ > 0) {
                return false;
            }
            step_ = Step::DataEnd;
        }
        const auto end = input.find("\r\n");
        if (end == std::string::npos) {
            return false;
        }
        const std::string line = input.substr(0, end);
        input.erase(0, end + 2);
        if (step_ == Step::DataEnd) {
            if (!line.empty()) {
                malformed("a chunk is longer than its size");
            }
            step_ = Step::Size;
        } else if (step_ == Step::Size) {
            left_ = parse_number(line, 16);
            step_ = left_ == 0 ? Step::Trailers : Step::Data;
            chunks_ += left_ > 0 ? 1 : 0;
        } else if (line.empty()) {
            return true;
        } else {
            trailers_.lines.push_back(parse_field(line));
        }
    }
}

bool ResponseReader::take_head(std::string& input) {
    for (;;) {
        const auto end = input.find("\r\n\r\n");
        if (end == std::string::npos) {
            return false;
        }
        Response now;
        now.head = input.substr(0, end + 4);
        input.erase(0, end + 4);
        const std::string status_line = parse_head(now.head, now.fields);
        // "HTTP/1.1 200 OK"
        if (!status_line.starts_with("HTTP/1.1 ") || status_line.size() < 13 || status_line[12] != ' ') {
            malformed("status line: " + status_line);
        }
        now.status = static_cast<int>(parse_number(std::string_view(status_line).substr(9, 3), 10));
        now.reason = status_line.substr(13);
        if (now.status < 200 && now.status != 101) {
            if (now.fields.has("Content-Length") || now.fields.has("Transfer-Encoding")) {
                malformed("framing in an interim response");
            }
            response_.interim.push_back(std::move(now));
            continue;
        }
        now.interim = std::move(response_.interim);
        response_ = std::move(now);
        std::uint64_t length = 0;
        Ending ending = ending_of(response_.fields, length);
        const int status = response_.status;
        if (head_request_ || status == 101 || status == 204 || status == 304) {
            ending = Ending::None;
        } else if (ending == Ending::None) {
            ending = Ending::Close;
        }
        response_.ending = ending;
        content_.start(ending, length);
        head_done_ = true;
        return true;
    }
}

bool ResponseReader::read(std::string& input, bool ended) {
    if (!head_done_ && !take_head(input)) {
        return ended;
    }
    response_.complete = content_.read(input, response_.content, ended);
    response_.trailers = content_.trailers();
    response_.chunks = content_.chunks();
    return response_.complete || ended;
}

} // namespace gatehouse::testing
