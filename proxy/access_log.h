// Access log: ExchangeRecords to JSON lines, written by a thread of its own.
//
// Each core hands its records over through a bounded ring of bytes, so that logging allocates nothing, takes the same
// memory whatever clients send, and never waits: a full ring drops the record and counts it. The writer is woken by
// the first record after a pause, gathers for a moment, and writes what has come in one go.
#pragma once

#include "config/config.h"
#include "proxy/exchange_record.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace gatehouse::proxy {

class AccessLog {
public:
    // LIMIT: a longer text of a record (a target, a user agent) is cut here on its way to the log.
    static constexpr std::size_t kMaxTextBytes = 8192;
    // What a ring sets aside for each of access_log.queue_records. Records that are larger on average fill it earlier.
    static constexpr std::size_t kBytesPerRecord = 512;

    // Null path or disabled: submit() does nothing. Throws nothing: a file that cannot be opened is reported by
    // open_error() and the caller ends the start.
    AccessLog(const config::AccessLog& options, unsigned cores);
    // Writes what is queued, then ends the thread. An output that takes nothing for two seconds is given up.
    ~AccessLog();
    AccessLog(const AccessLog&) = delete;
    AccessLog& operator=(const AccessLog&) = delete;

    const std::string& open_error() const noexcept;
    // From the thread of that core only. False: dropped (the ring was full).
    bool submit(unsigned core, const ExchangeRecord& record) noexcept;
    // Opens the file again (log rotation); any thread. Records submitted after it go to the new file.
    void reopen() noexcept;
    // Lines written so far, and lines that could not be written (disk full, reader gone). Any thread.
    std::uint64_t written() const noexcept;
    std::uint64_t lost() const noexcept;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace gatehouse::proxy
