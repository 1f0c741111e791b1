// The open sessions of one core.
#pragma once

#include <cstddef>
#include <memory>
#include <unordered_set>

namespace gatehouse::proxy {

class Session;

class SessionRegistry {
public:
    void add(Session& session) { sessions_.insert(&session); }
    void remove(Session& session) { sessions_.erase(&session); }
    std::size_t size() const noexcept { return sessions_.size(); }
    // Stops every session; stopping one may remove it.
    void stop_all();
    // Closes every connection, whatever it is doing.
    void close_all();

private:
    std::unordered_set<Session*> sessions_;
};

} // namespace gatehouse::proxy
