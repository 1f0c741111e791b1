// The class of fetch tasks, for the files that it is written in: fetch_task.cpp (the attempt) and fetch_task_answer.cpp
// (what comes back).
#pragma once

#include "proxy/acquisition.h"
#include "proxy/body_pump.h"
#include "proxy/event.h"
#include "proxy/fetch_task.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace gatehouse::proxy {

class FetchTask final : public FetchRegistry::Member, private cache::Fetch::HomeWaker {
public:
    FetchTask(Worker& worker, FetchOrder&& order)
        : worker_(worker), core_(worker.core), order_(std::move(order)), origin_(*order_.behavior->origin_ref),
          room_deadline_(core_.wheel(), &FetchTask::on_room_deadline, this),
          total_deadline_(core_.wheel(), &FetchTask::on_total_deadline, this) {
        worker_.fetches.add(*this);
        order_.fetch->set_home_waker(this);
    }
    ~FetchTask() {
        order_.fetch->set_home_waker(nullptr);
        worker_.fetches.remove(*this);
    }
    FetchTask(const FetchTask&) = delete;
    FetchTask& operator=(const FetchTask&) = delete;

    awaitable<void> run(std::unique_ptr<FetchTask> self);
    void break_off() noexcept override;

private:
    enum class Attempt : std::uint8_t { Ended, Again };

    awaitable<Attempt> attempt();
    Lease idle_connection();
    awaitable<http::Result<Lease>> wait_for_connection();
    awaitable<IoResult> send_request();
    http::Status sent_request(const IoResult& wrote);
    awaitable<http::Status> receive_head();
    awaitable<IoResult> read_more_head(http::SteadyTime since);
    http::Status took_more_head(const IoResult& got);
    // What was read and not used: in the core's room for it, where nothing had to be waited for since, or in input_.
    std::string_view at_hand() const noexcept { return in_scratch_.empty() ? std::string_view(input_) : in_scratch_; }
    void use_up(std::size_t bytes);
    // Before a wait: the scratch room does not survive it.
    void keep_at_hand();
    http::Status take_interim(http::ResponseHead head);
    awaitable<Attempt> deliver();
    bool relay_at_once(const http::Framing& framing, cache::Intake& intake);
    awaitable<http::Status> relay_body(const http::Framing& framing, cache::Intake& intake);
    awaitable<http::Result<std::size_t>> read_content(std::span<char> room, const http::Framing& framing);
    awaitable<bool> wait_for_room(cache::Intake& intake);
    awaitable<void> end_connection(bool reusable);
    // The same, where no content of the request is on its way.
    void drop_connection(bool reusable);
    // Ends the connection, if there is one, and the attempt.
    awaitable<Attempt> failed(http::Error error);
    // Why nobody waits for this any more, if so.
    std::optional<http::Error> given_up() const;
    void interrupt() noexcept;
    bool may_happen_twice() const;
    bool may_retry(const http::Error& error) const;
    void on_home_wake() noexcept override;
    static void on_room_deadline(void* context) { static_cast<FetchTask*>(context)->room_event_.signal(); }
    static void on_total_deadline(void* context);
    static http::Error total_timeout_error();

    Worker& worker_;
    Core& core_;
    FetchOrder order_;
    const config::Origin& origin_;
    std::shared_ptr<Acquisition> acquisition_; // while it waits for a connection
    Lease lease_;
    std::shared_ptr<BodyPump> pump_;
    http::ResponseHead head_;     // of the answer
    std::string head_text_;       // of the request, while it is sent
    iovec head_piece_{};
    std::string input_;           // read from the origin, not yet used
    std::string_view in_scratch_; // likewise; one of the two is empty
    Event room_event_;
    Deadline room_deadline_;
    Deadline total_deadline_;
    http::ChunkedDecoder decoder_;
    http::WallTime request_time_{};
    http::SteadyTime sent_at_{};
    std::uint64_t remaining_ = 0;
    bool content_done_ = false;
    bool is_uploading_ = false;   // the request's content was on its way when more of the answer was waited for
    bool extra_bytes_ = false;    // something followed the message: the connection is not reused
    bool response_seen_ = false;  // at least one byte of a response
    bool fresh_ = false;
    bool total_expired_ = false;
    bool broken_off_ = false; // the program ends
    unsigned attempts_ = 0;
    std::uint32_t interims_ = 0;
};

} // namespace gatehouse::proxy
