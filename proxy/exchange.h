// One request and its response, from routing to the record: decide, then serve, or join a fetch and follow it.
//
// begin() does everything that needs no waiting: a fresh memory hit is queued in the sink and done. finish() tells the
// rest. An exchange touches no socket.
#pragma once

#include "cache/store/load.h"
#include "proxy/error_response.h"
#include "proxy/fetch_task.h"
#include "proxy/request_body.h"
#include "proxy/request_state.h"
#include "proxy/response_sink.h"
#include "proxy/worker.h"

#include <memory>
#include <optional>
#include <string_view>

namespace gatehouse::proxy {

struct ClientFacts {
    std::string_view address;
    std::string_view scheme = "http";
    std::string_view default_authority; // for HTTP/1.0 requests without Host
    bool trusted = false;
};

// What OPTIONS that ends here, and a refused TRACE, say is allowed.
inline constexpr std::string_view kAllowedMethods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

struct HeldError; // proxy/error_page.h

class Exchange {
public:
    Exchange(Worker& worker, RequestState& state, ResponseSink& sink, const ClientFacts& client) noexcept
        : worker_(worker), state_(state), sink_(sink), client_(client) {}

    // True: the response is queued. False: launch() has to be called, before anything is waited for, because others may
    // wait already for the fetch that was planned; then finish(), or abandon(). state.head and state.framing are set.
    // Where the content is part of the key, nothing is planned before finish() has read it.
    bool begin();
    void launch(const std::shared_ptr<RequestBody>& body, const std::shared_ptr<TunnelSlot>& tunnel);
    // Instead of finish(): the client is gone.
    void abandon();
    // `body` is the request's content, null without any. `tunnel` receives a connection that switched protocols.
    awaitable<void> finish(std::shared_ptr<RequestBody> body, std::shared_ptr<TunnelSlot> tunnel);
    // Answers with an error of the client's making, before or instead of begin().
    void refuse(const http::Error& error);
    // Log line and metrics, when everything has been sent or nothing more can be. `unsent_bytes`: of what was queued
    // for this response, how much the client did not get.
    void record(std::uint64_t unsent_bytes);

private:
    cache::RequestContext context() const;
    bool settle_wishes(const config::CachePolicy& rules);
    std::string_view shown_key() const noexcept;
    bool begin_routed();
    // False: a page takes the place of this error, and has to be waited for.
    bool serve_stored(const cache::store::HeldEntry& entry, const cache::policy::StoredHead& stored,
                      const cache::policy::CacheResult& result);
    void answer_error(const http::Error& error, const cache::policy::CacheResult* result);
    void answer_own(ErrorResponse response, const cache::policy::CacheResult* result);
    void answer_status(int status, std::string_view token, std::string_view sentence,
                       const cache::policy::CacheResult* result);
    void answer_gateway_timeout();
    void answer_trace();
    void start(const std::shared_ptr<cache::Fetch>& fetch, bool for_store, bool conditional,
               std::shared_ptr<RequestBody> body, std::shared_ptr<TunnelSlot> tunnel);
    // What a client still misses of what was stored: for it alone.
    void start_rest(const std::shared_ptr<cache::Fetch>& fetch, const cache::policy::Completion& rest);
    OriginRequestFacts origin_request_facts() const;
    void send_order(FetchOrder&& order);
    void start_background();
    void plan_private();
    bool may_store_post() const;
    // The fetch whose answer a client gets.
    struct Found {
        std::shared_ptr<cache::Fetch> fetch;
        cache::policy::StoredHead head;
        cache::policy::CacheResult result;
        std::optional<cache::store::Body::Cursor> cursor;
    };
    // False: the client has its answer, or is gone.
    awaitable<bool> find_answer(const std::shared_ptr<RequestBody>& body, const std::shared_ptr<TunnelSlot>& tunnel,
                                bool is_planned_here, Found& found);
    enum class Waited : std::uint8_t { Answered, TooLong, ClientLeft };
    void plan_again();
    // A while at most: a disk that does not answer keeps nobody from the origin.
    awaitable<void> wait_for_load();
    // ---- bodies that lie in files (exchange_files.cpp)
    static bool has_long_file(const cache::store::HeldEntry& entry);
    void add_span(const cache::store::HeldEntry& entry, std::uint64_t first, std::uint64_t bytes);
    void add_text(std::string text);
    awaitable<void> serve_rest(cache::store::HeldEntry entry);
    awaitable<bool> send_from_file(cache::store::HeldEntry entry, std::uint64_t first, std::uint64_t bytes);
    bool is_kept_too_long(const cache::store::FileBody& body, std::optional<http::SteadyTime>& given_up_since) const;
    awaitable<bool> bring_in(cache::store::HeldEntry entry, std::uint64_t first, std::uint64_t bytes);
    awaitable<bool> send_rest_from_origin(cache::store::HeldEntry entry, std::uint64_t first, std::uint64_t bytes);
    void file_is_broken();
    // Answered, or TooLong where the wait was given up for what `given_up` says.
    awaitable<Waited> wait_patiently(const std::shared_ptr<cache::Fetch>& fetch,
                                     std::optional<cache::Resolution>& given_up);
    // `longest`: zero for as long as it takes. `seen`: how many interim responses the client has been sent.
    awaitable<Waited> wait_for_answer(const std::shared_ptr<cache::Fetch>& fetch, http::Duration longest,
                                      std::size_t& seen);
    // ---- content that is part of the key (exchange_content.cpp)
    enum class Content : std::uint8_t { Whole, TooLarge, None };
    awaitable<Content> read_content(RequestBody& body);
    awaitable<bool> plan_with_content(std::shared_ptr<RequestBody> body);
    std::shared_ptr<RequestBody> body_to_send(std::shared_ptr<RequestBody> body) const;
    bool send_head(const cache::Fetch& fetch, const cache::policy::StoredHead& head,
                   const cache::policy::CacheResult& result, std::optional<std::int64_t> age,
                   cache::policy::Assembly& assembly);
    awaitable<void> stream(Found& found);
    void copy_content(cache::store::Body::Cursor& cursor, std::uint64_t bytes);
    awaitable<bool> stream_span(const std::shared_ptr<cache::Fetch>& fetch, cache::Fetch::Reader& reader,
                                cache::store::Body::Cursor& cursor, std::uint64_t first,
                                std::optional<std::uint64_t> bytes);
    awaitable<bool> wait_for_bytes(const std::shared_ptr<cache::Fetch>& fetch, std::uint64_t beyond);
    awaitable<bool> wait_until_published(const std::shared_ptr<cache::Fetch>& fetch, std::uint64_t beyond);
    // ---- slices (exchange_slices.cpp)
    struct Piece;
    enum class Got : std::uint8_t {
        Slice,
        Answered, // the client got something else, or is gone
        Nothing   // there is no slice, and nothing was said to the client
    };
    awaitable<bool> serve_slices();
    awaitable<Got> get_slice(cache::SliceNeed& need, Piece& piece, bool may_answer);
    awaitable<Got> answer_without_slices(std::shared_ptr<cache::Fetch> fetch, bool may_answer);
    awaitable<bool> wait_for_slice(std::shared_ptr<cache::Fetch> fetch, bool with_interims);
    awaitable<void> send_slices(cache::SliceNeed need, Piece piece);
    awaitable<bool> send_span(cache::SliceNeed& need, Piece& piece, http::ByteSpan span);
    awaitable<bool> send_piece(Piece& piece, std::uint64_t first, std::uint64_t bytes);
    // ---- pages in the place of errors (exchange_pages.cpp)
    enum class PageStep : std::uint8_t {
        None,  // the client gets the error
        Given, // it was given the page
        Waits  // launch_page() and finish_page() have to be called
    };
    const config::ErrorPage* page_for(int status) const noexcept;
    bool finds_no_page(int status) noexcept;
    // `age`: that the error would be sent with.
    PageStep turn_to_page(const cache::policy::StoredHead& error, const cache::policy::CacheResult& result,
                          bool may_be_stored, std::optional<std::int64_t> age);
    PageStep turn_to_page(const http::Error& error, const cache::policy::CacheResult& result);
    PageStep begin_page(const config::ErrorPage& page, int status, std::string_view lines, bool forbids_reuse,
                        const cache::policy::CacheResult& result);
    void make_page_request(std::string_view page, RequestState& request) const;
    void launch_page();
    awaitable<bool> finish_page();
    bool take_page();
    awaitable<void> serve(cache::store::HeldEntry entry, cache::policy::StoredHead stored,
                          cache::policy::CacheResult result);
    // `held` keeps the answer of the fetch meanwhile. True: the client was answered.
    awaitable<bool> page_instead(std::shared_ptr<cache::Fetch> fetch, cache::policy::StoredHead error,
                                 cache::policy::CacheResult result, std::optional<std::int64_t> age, HeldError& held);
    void leave_unread(cache::Fetch& fetch) const;
    awaitable<void> answer_failure(http::Error error, cache::policy::CacheResult result);
    void shape_head(cache::policy::Assembly& assembly, std::optional<cache::policy::ClientHead>& client,
                    const cache::policy::StoredHead& head, bool may_be_stored) const;
    cache::policy::CacheResult shown_result(cache::policy::CacheResult result, int status) const;
    void take_trace(const cache::Fetch& fetch);
    void broken();
    void client_left();

    Worker& worker_;
    RequestState& state_;
    ResponseSink& sink_;
    const ClientFacts& client_;
    std::uint64_t arrived_ = ~std::uint64_t{0}; // cache::RequestContext::arrived
    std::shared_ptr<cache::Fetch> given_up_;    // cache::RequestContext::given_up
    bool for_store_ = false; // the fetch asked for the whole, without the client's conditions
    bool unsliced_ = false;  // cache::RequestContext::unsliced
    std::shared_ptr<cache::store::Load> loaded_; // cache::RequestContext::loaded, of the next plan
    // What serve_stored() left to serve_rest(): text, or a span of the entry's body.
    struct Rest {
        std::string text;
        std::uint64_t first = 0;
        std::uint64_t bytes = 0;
    };
    std::vector<Rest> rest_;
    bool may_wait_ = false;    // serve_rest() will be called
    bool file_failed_ = false; // what is left of the stored body comes from the origin
    bool content_first_ = false; // nothing can be planned before the content has come
    PageTurn* page_ = nullptr; // this exchange is for a page
};

} // namespace gatehouse::proxy
