// The open sessions of one core, and what keeps them alive: between requests no coroutine does.
#pragma once

#include <cstddef>
#include <memory>
#include <unordered_set>
#include <utility>

namespace gatehouse::proxy {

class Session;

class SessionRegistry {
public:
    void add(std::shared_ptr<Session> session) { sessions_.insert(std::move(session)); }
    void remove(const std::shared_ptr<Session>& session) { sessions_.erase(session); }
    std::size_t size() const noexcept { return sessions_.size(); }
    // Stops every session; stopping one may remove it.
    void stop_all();
    // Closes every connection, whatever it is doing.
    void close_all();

private:
    template <class Action>
    void for_all(Action action);

    std::unordered_set<std::shared_ptr<Session>> sessions_;
};

} // namespace gatehouse::proxy
