# Sanitizers are a property of the whole build, never of one target: a mixed program reports false
# errors or none at all.
if(GATEHOUSE_SANITIZE)
    add_compile_options(-fsanitize=${GATEHOUSE_SANITIZE} -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${GATEHOUSE_SANITIZE})
    # The cheap checks of the standard library: index and iterator errors end the program.
    add_compile_definitions(_GLIBCXX_ASSERTIONS)
    if(GATEHOUSE_SANITIZE MATCHES "undefined")
        # A finding ends the test run, because a printed line in a log is easy to overlook.
        add_compile_options(-fno-sanitize-recover=all)
    endif()
endif()
