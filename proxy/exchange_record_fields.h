// Every text of an ExchangeRecord, once, for code that must treat all of them: forgetting a new one does not compile.
#pragma once

#include "http/reassign.h"
#include "proxy/exchange_record.h"

#include <array>
#include <string_view>

namespace gatehouse::proxy {

// Of one record, in the order of its members.
using ExchangeTexts = std::array<std::string_view, 9>;

// Whether the last two have something: of an exchange with its origin, or one that failed.
inline bool has_unusual_text(const ExchangeRecord& record) noexcept {
    return !record.origin_address.empty() || !record.error_detail.empty();
}

// Calls visit(text) for each of them. `all`: false where !has_unusual_text(), as a shorter way through.
template <class Visitor>
inline void for_each_text(const ExchangeRecord& record, Visitor visit, bool all = true) {
    struct Texts { // ExchangeRecord without what it inherits
        std::string_view client, method, authority, target, behavior_name, origin;
        std::string user_agent, origin_address, error_detail;
    };
    static_assert(sizeof(ExchangeRecord) == sizeof(ExchangeFacts) + sizeof(Texts), "a text is missing below");
    visit(record.client);
    visit(record.method);
    visit(record.authority);
    visit(record.target);
    visit(record.behavior_name);
    visit(record.origin);
    visit(std::string_view(record.user_agent));
    if (all) [[unlikely]] {
        visit(std::string_view(record.origin_address));
        visit(std::string_view(record.error_detail));
    } else {
        visit(std::string_view());
        visit(std::string_view());
    }
}

// The other way round. What the record has of its own is copied.
inline void set_texts(ExchangeRecord& record, const ExchangeTexts& texts) {
    record.client = texts[0];
    record.method = texts[1];
    record.authority = texts[2];
    record.target = texts[3];
    record.behavior_name = texts[4];
    record.origin = texts[5];
    http::reassign(record.user_agent, texts[6]);
    http::reassign(record.origin_address, texts[7]);
    http::reassign(record.error_detail, texts[8]);
}

} // namespace gatehouse::proxy
