// Messages as a strict peer reads them: heads, content by its framing, trailers, several 1xx. Anything a strict peer
// would not take is a HarnessError.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::testing {

struct FieldLine {
    std::string name;
    std::string value;
};

struct FieldLines {
    std::vector<FieldLine> lines;

    bool has(std::string_view name) const;
    // The value of the only line of that name, "" without one. HarnessError when there are several.
    std::string get(std::string_view name) const;
    std::vector<std::string> all(std::string_view name) const;
};

enum class Ending : std::uint8_t { None, Length, Chunked, Close };

// Reads content by its framing from a buffer that grows.
class ContentReader {
public:
    void start(Ending ending, std::uint64_t length);
    // Moves what is content from `input` to `content`. `ended`: nothing more will come. True: the content is complete.
    bool read(std::string& input, std::string& content, bool ended);
    const FieldLines& trailers() const noexcept { return trailers_; }
    std::size_t chunks() const noexcept { return chunks_; }

private:
    bool read_chunked(std::string& input, std::string& content);

    enum class Step : std::uint8_t { Size, Data, DataEnd, Trailers };
    Ending ending_ = Ending::None;
    std::uint64_t left_ = 0;
    Step step_ = Step::Size;
    FieldLines trailers_;
    std::size_t chunks_ = 0;
};

struct Response {
    std::string head; // as it came
    int status = 0;
    std::string reason;
    FieldLines fields;
    Ending ending = Ending::None;
    std::string content;
    FieldLines trailers;
    std::size_t chunks = 0;
    bool complete = false; // false: the connection ended first
    std::vector<Response> interim;

    std::string get(std::string_view name) const { return fields.get(name); }
    bool has(std::string_view name) const { return fields.has(name); }
};

class ResponseReader {
public:
    explicit ResponseReader(bool head_request = false) : head_request_(head_request) {}
    // Uses up `input`. True: the response is complete, or the connection ended within it.
    bool read(std::string& input, bool ended);
    bool head_done() const noexcept { return head_done_; }
    Response& response() noexcept { return response_; }
    const Response& response() const noexcept { return response_; }

private:
    bool take_head(std::string& input);

    bool head_request_;
    bool head_done_ = false;
    ContentReader content_;
    Response response_;
};

// Splits a head (first line, field lines, empty line) strictly. Returns the first line.
std::string parse_head(std::string_view head, FieldLines& fields);
// How long the content is by the fields; None without framing fields.
Ending ending_of(const FieldLines& fields, std::uint64_t& length);

} // namespace gatehouse::testing
