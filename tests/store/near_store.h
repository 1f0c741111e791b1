// A store that each thread asks through a core table of its own, as the cores of the proxy do: for the suite of the
// contract, and for whatever else has to hold for what a core keeps.
#pragma once

#include "cache/store/core_table.h"

#include <map>
#include <memory>
#include <mutex>
#include <thread>

namespace gatehouse::cache::store::testing {

class NearStore final : public Store {
public:
    explicit NearStore(std::unique_ptr<Store> inner, std::uint32_t uses_to_keep = 1)
        : inner_(std::move(inner)), uses_to_keep_(uses_to_keep) {}

    // Of the calling thread.
    CoreTable& table() {
        const std::lock_guard lock(mutex_);
        std::unique_ptr<CoreTable>& table = tables_[std::this_thread::get_id()];
        if (!table) {
            table = std::make_unique<CoreTable>(
                *inner_, [] {}, uses_to_keep_);
        }
        return *table;
    }
    // All cores have had their next tick, with nothing asked for since the one before. Nobody else is at work.
    void rest() {
        for (auto& [thread, table] : tables_) {
            table->tidy();
            table->tidy();
        }
    }
    Store& inner() noexcept { return *inner_; }

    void lookup(const KeyHash& hash, std::string_view key, Candidates& found) override {
        table().lookup(hash, key, found);
    }
    const std::atomic<std::uint64_t>* changes(const KeyHash& hash) const noexcept override {
        return inner_->changes(hash);
    }
    Below bring(const KeyHash& hash, std::string_view key, const Candidates& at_hand, bool may_wait) override {
        return inner_->bring(hash, key, at_hand, may_wait);
    }
    void touch(const Entry& entry) noexcept override { inner_->touch(entry); }
    std::unique_ptr<Writer> open_writer(const PutFacts& facts, std::optional<std::uint64_t> expected_bytes) override {
        return inner_->open_writer(facts, expected_bytes);
    }
    std::shared_ptr<Body> open_relay(std::optional<std::uint64_t> expected_bytes) override {
        return inner_->open_relay(expected_bytes);
    }
    EntryRef replace_metadata(const EntryRef& old, std::string_view secondary_key, std::string_view metadata,
                              std::uint64_t sequence) override {
        return inner_->replace_metadata(old, secondary_key, metadata, sequence);
    }
    bool erase(const EntryRef& entry) override { return inner_->erase(entry); }
    std::uint64_t max_object_bytes() const noexcept override { return inner_->max_object_bytes(); }
    void for_each(const std::function<void(const EntryRef&)>& visit) override { inner_->for_each(visit); }
    StoreStats stats() const override { return inner_->stats(); }

private:
    std::unique_ptr<Store> inner_;
    const std::uint32_t uses_to_keep_;
    std::mutex mutex_;
    std::map<std::thread::id, std::unique_ptr<CoreTable>> tables_; // end before the store
};

} // namespace gatehouse::cache::store::testing
