# The sample stack: an HTTP API of API Gateway with Lambda functions, a DynamoDB table and static files.
# Folder names say route: get-api-items-000id is GET /api/items/:id. Where two methods share one function,
# `src` names its folder.
@app
gatehouse-sample

@aws
runtime nodejs20.x
region us-east-1

@http
get /api/items/:id
post /api/items
get /api/error
get /api/throw
get /api/slow
get /api/cookie
get /api/echo
get /api/binary
any /api/any

/api/cached
  method get
  src src/http/cached

/api/cached
  method head
  src src/http/cached

/api/db/:id
  method get
  src src/http/db

/api/db/:id
  method put
  src src/http/db

@static
folder public
fingerprint false

@tables
items
  id *String
