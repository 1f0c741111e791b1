#include "tests/support/raw_client.h"

#include "tests/support/gates.h"

#include <utility>

namespace gatehouse::testing {

bool RawClient::get(std::string_view target, std::string_view fields) {
    std::string text = "GET ";
    text.append(target).append(" HTTP/1.1\r\nHost: gate.test\r\n").append(fields).append("\r\n");
    return send(text);
}

bool RawClient::receive() { return socket_.receive(input_) == Socket::Read::Bytes; }

void RawClient::begin(bool head_request) {
    if (!reading_) {
        reader_ = ResponseReader(head_request);
        reading_ = true;
    }
}

Response RawClient::read_what_comes(bool head_request) {
    begin(head_request);
    bool ended = false;
    while (!reader_.read(input_, ended)) {
        ended = !receive();
    }
    reading_ = false;
    return std::move(reader_.response());
}

Response RawClient::read(bool head_request) {
    Response response = read_what_comes(head_request);
    if (!response.complete) {
        throw HarnessError("the connection ended within the response: " + response.head + response.content);
    }
    return response;
}

const Response& RawClient::read_head(bool head_request) {
    begin(head_request);
    while (!reader_.head_done()) {
        reader_.read(input_, false);
        if (!reader_.head_done() && !receive()) {
            throw HarnessError("the connection ended within the head");
        }
    }
    return reader_.response();
}

const Response& RawClient::read_content(std::size_t bytes) {
    read_head();
    while (!reader_.read(input_, false) && reader_.response().content.size() < bytes) {
        if (!receive()) {
            throw HarnessError("the connection ended within the content");
        }
    }
    return reader_.response();
}

std::string RawClient::read_raw(std::size_t bytes) {
    while (input_.size() < bytes && receive()) {
    }
    const std::string rest = input_.size() > bytes ? input_.substr(bytes) : std::string();
    input_.resize(std::min(bytes, input_.size()));
    return std::exchange(input_, rest);
}

bool RawClient::ended() { return input_.empty() && !receive(); }

} // namespace gatehouse::testing
