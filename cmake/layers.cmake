# gatehouse_layer(NAME FOLDER dir [EXCLUDE file...] [PCH] LINKS ... [PRIVATE_LINKS ...])
#
# The static library of one folder, from every .cpp file that lies directly in it. A folder that has no
# .cpp file yet becomes an interface library, so that the layers above it configure and link all the
# same. Sets NAME_scope to PUBLIC or INTERFACE, for callers that add more to the target.
function(gatehouse_layer name)
    cmake_parse_arguments(ARG "PCH" "FOLDER" "EXCLUDE;LINKS;PRIVATE_LINKS" ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${ARG_FOLDER}/*.cpp)
    foreach(file IN LISTS ARG_EXCLUDE)
        list(REMOVE_ITEM sources ${CMAKE_SOURCE_DIR}/${ARG_FOLDER}/${file})
    endforeach()

    if(sources)
        add_library(${name} STATIC ${sources})
        target_link_libraries(${name} PUBLIC ${ARG_LINKS} PRIVATE ${ARG_PRIVATE_LINKS} gatehouse_warnings)
        if(ARG_PCH)
            gatehouse_reuse_asio_pch(${name})
        endif()
        set(${name}_scope PUBLIC PARENT_SCOPE)
    else()
        add_library(${name} INTERFACE)
        target_link_libraries(${name} INTERFACE ${ARG_LINKS})
        set(${name}_scope INTERFACE PARENT_SCOPE)
    endif()
endfunction()
