# What the nodes are: they may pull images, write logs and metrics, and nothing else.
resource "google_service_account" "nodes" {
  account_id   = "${var.name}-nodes"
  display_name = "Nodes of the cluster ${var.name}"

  depends_on = [google_project_service.used]
}

resource "google_project_iam_member" "nodes" {
  project = var.project_id
  role    = "roles/container.defaultNodeServiceAccount"
  member  = google_service_account.nodes.member
}

# What the dispatcher is outside the cluster, by workload identity: no key lies anywhere. It has no
# rights; grant it those that it needs one day, a bucket's, say. Steps have no identity at all.
resource "google_service_account" "dispatcher" {
  account_id   = "${var.name}-dispatcher"
  display_name = "Dispatcher in the cluster ${var.name}"

  depends_on = [google_project_service.used]
}

resource "google_service_account_iam_member" "dispatcher" {
  service_account_id = google_service_account.dispatcher.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${google_container_cluster.this.workload_identity_config[0].workload_pool}[${var.dispatcher_service_account}]"
}
