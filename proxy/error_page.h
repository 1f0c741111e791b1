// A page on its way to a client in the place of an error (config::ErrorPages): an exchange of its own, for another
// path, with the sink of the one that came upon the error.
#pragma once

#include "proxy/exchange.h"

namespace gatehouse::proxy {

struct PageTurn {
    RequestState request;
    int error_status = 0;
    int status = 0; // that the page is sent with
    // What stays of the error: cache/policy/error_page.h.
    std::optional<std::string> error_lines; // where the page has neither lifetime nor validators of its own
    std::string error_vary;
    cache::policy::CacheResult error_result;
    bool failed = false;                // there is no page; nothing was said to the client
    std::unique_ptr<Exchange> exchange; // refers to all of this
};

// An answer that is not read on while its page is waited for, because it is given where there is none.
struct HeldError {
    std::optional<cache::store::Body::Cursor> cursor; // none without content
    std::optional<cache::Fetch::Reader> reader;
    bool is_cut = false; // it took too long: it is not held any more

    static void on_cut(void* context) {
        HeldError& held = *static_cast<HeldError*>(context);
        held.is_cut = true;
        held.reader.reset();
        held.cursor.reset();
    }
};

} // namespace gatehouse::proxy
