// Lines of the access log, one after the other: what a line has in common with the one before is not made again.
#pragma once

#include "proxy/exchange_record.h"

#include <array>
#include <string>

namespace gatehouse::proxy {

class LineFormatter {
public:
    // As append_json_line().
    void append(std::string& out, const ExchangeRecord& record);

private:
    friend class LineWriter;
    std::chrono::sys_seconds second_ = std::chrono::sys_seconds::min();
    std::array<char, 20> second_text_{}; // "2026-11-23T23:00:00."
};

} // namespace gatehouse::proxy
