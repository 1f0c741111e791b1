#include "proxy/content_at_hand.h"

#include "cache/policy/etag_rule.h"
#include "cache/store/content_hash.h"

#include <algorithm>
#include <string_view>

namespace gatehouse::proxy {

namespace {

// Chunks and their sizes take more room than the content.
constexpr std::size_t kMostChunkedInput = 2 * kMostContentAtHand;
constexpr std::size_t kReadBytes = 16 * 1024;

// Until `input` holds this much or nothing more has come.
void take(Stream& stream, std::string& input, std::size_t wanted) {
    while (input.size() < wanted) {
        const std::size_t old = input.size();
        input.resize(old + std::min(kReadBytes, wanted - old));
        const std::size_t got = stream.read_ready({input.data() + old, input.size() - old});
        input.resize(old + got);
        if (got == 0) {
            return;
        }
    }
}

} // namespace

std::optional<cache::policy::ContentDigest> digest_at_hand(Stream& stream, const http::Framing& framing,
                                                           std::string& input) {
    using cache::store::content_digest;
    switch (framing.kind) {
    case http::Framing::Kind::None: return content_digest({});
    case http::Framing::Kind::UntilClose: return std::nullopt;
    case http::Framing::Kind::Length: {
        if (framing.length > kMostContentAtHand) {
            return std::nullopt;
        }
        const auto length = static_cast<std::size_t>(framing.length);
        take(stream, input, length);
        return input.size() < length ? std::nullopt
                                     : std::optional(content_digest(std::string_view(input).substr(0, length)));
    }
    case http::Framing::Kind::Chunked: break;
    }
    take(stream, input, kMostChunkedInput);
    // A copy is decoded: the content itself goes its usual way.
    std::string copy = input;
    http::ChunkedDecoder decoder;
    const auto step = decoder.decode(copy);
    if (!step || !step->done || step->content > kMostContentAtHand) {
        return std::nullopt;
    }
    return content_digest(std::string_view(copy).substr(0, step->content));
}

void apply_etag_rule(config::EtagRule rule, std::string_view content, cache::FetchRequest& sent) {
    sent.generate_etag = rule == config::EtagRule::Generate;
    if (sent.generate_etag && content.size() <= kMostContentAtHand) {
        sent.content = cache::store::content_digest(content);
    }
}

void apply_etag_rule(config::EtagRule rule, const http::ResponseHead& head, const http::Framing& framing,
                     Stream& stream, std::string& input, cache::FetchRequest& sent) {
    sent.generate_etag = rule == config::EtagRule::Generate;
    if (sent.generate_etag && sent.may_store && cache::policy::lacks_entity_tag(head.status, head.fields)) {
        sent.content = digest_at_hand(stream, framing, input);
    }
}

} // namespace gatehouse::proxy
