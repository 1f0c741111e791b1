#include "proxy/reload.h"

#include <tuple>

namespace gatehouse::proxy {

namespace {

std::string text_of(const config::Admin& admin) { return admin.address ? admin.address->text : std::string(); }

auto memory_of(const config::MemoryCache& memory) {
    return std::tie(memory.size_bytes, memory.max_object_bytes, memory.relay_bytes, memory.shards, memory.max_variants);
}

// Its size and its write budget follow.
auto disk_of(const config::DiskCache& disk) {
    return std::tie(disk.path, disk.segment_bytes, disk.max_object_bytes, disk.verify_always, disk.io);
}

auto dns_of(const config::Dns& dns) { return std::tie(dns.servers, dns.min_ttl, dns.max_ttl, dns.stale, dns.timeout); }

auto log_of(const config::AccessLog& log) { return std::tie(log.enabled, log.path, log.queue_records); }

} // namespace

std::vector<std::string> fields_that_need_a_restart(const config::Config& current, const config::Config& next) {
    struct Check {
        const char* field;
        bool differs;
    };
    const Check checks[] = {
        {"workers", current.workers != next.workers},
        {"admin.address", text_of(current.admin) != text_of(next.admin)},
        {"admin.allowed_hosts", current.admin.allowed_hosts != next.admin.allowed_hosts},
        {"cache.memory", memory_of(current.cache.memory) != memory_of(next.cache.memory)},
        {"cache.disk", disk_of(current.cache.disk) != disk_of(next.cache.disk)},
        {"dns", dns_of(current.dns) != dns_of(next.dns)},
        {"access_log", log_of(current.access_log) != log_of(next.access_log)},
        {"limits.unsent_size", current.limits.unsent_bytes != next.limits.unsent_bytes},
        {"limits.waiters_per_fetch", current.limits.waiters_per_fetch != next.limits.waiters_per_fetch},
        {"timeouts.uncacheable_memory", current.timeouts.uncacheable_memory != next.timeouts.uncacheable_memory},
    };
    std::vector<std::string> fields;
    for (const Check& check : checks) {
        if (check.differs) {
            fields.emplace_back(check.field);
        }
    }
    return fields;
}

} // namespace gatehouse::proxy
