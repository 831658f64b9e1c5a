# The parts of Google Cloud that are used. They stay switched on when everything is destroyed,
# because others in the project may use them, too.
resource "google_project_service" "used" {
  for_each = toset([
    "artifactregistry.googleapis.com",
    "compute.googleapis.com",
    "container.googleapis.com",
    "iam.googleapis.com",
  ])

  service            = each.key
  disable_on_destroy = false
}
