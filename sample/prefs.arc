# Live reload would add a script to every page, and the pages are to arrive as they are.
@sandbox
livereload false
