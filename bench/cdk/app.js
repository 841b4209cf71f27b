// The pipeline of ../../stack.yaml as a CDK app. See README.md.
"use strict";

// One module at a time: `require("aws-cdk-lib")` alone would load more of the library than the app needs.
const { App, CfnOutput, CliCredentialsStackSynthesizer, Duration, RemovalPolicy, Stack } = require("aws-cdk-lib/core");
const dynamodb = require("aws-cdk-lib/aws-dynamodb");
const ec2 = require("aws-cdk-lib/aws-ec2");
const ecs = require("aws-cdk-lib/aws-ecs");
const events = require("aws-cdk-lib/aws-events");
const targets = require("aws-cdk-lib/aws-events-targets");
const iam = require("aws-cdk-lib/aws-iam");
const lambda = require("aws-cdk-lib/aws-lambda");
const { SqsEventSource } = require("aws-cdk-lib/aws-lambda-event-sources");
const logs = require("aws-cdk-lib/aws-logs");
const s3 = require("aws-cdk-lib/aws-s3");
const sqs = require("aws-cdk-lib/aws-sqs");

const SOURCE = "cdkpatterns.the-eventbridge-etl";
const ATTEMPTS = 5;

class Pipeline extends Stack {
  constructor(scope, id, props) {
    super(scope, id, props);
    const throttle = Number(this.node.tryGetContext("throttle") ?? 2);

    const arrivals = this.queue("Arrivals", { visibilityTimeout: Duration.minutes(5) });
    const landing = this.bucket("Landing", arrivals);
    const bus = new events.EventBus(this, "Events", { eventBusName: `${this.stackName}-events` });
    const records = this.table("Records", { name: "id", type: dynamodb.AttributeType.STRING });
    const tally = this.table(
      "Tally",
      { name: "object", type: dynamodb.AttributeType.STRING },
      { name: "part", type: dynamodb.AttributeType.STRING },
    );

    const network = new ec2.Vpc(this, "Network", {
      maxAzs: 2,
      natGateways: 0,
      subnetConfiguration: [{ name: "public", subnetType: ec2.SubnetType.PUBLIC, mapPublicIpOnLaunch: false }],
      gatewayEndpoints: {
        S3: { service: ec2.GatewayVpcEndpointAwsService.S3 },
        DynamoDb: { service: ec2.GatewayVpcEndpointAwsService.DYNAMODB },
      },
      restrictDefaultSecurityGroup: false, // which would be a custom resource
    });
    const cluster = new ecs.Cluster(this, "Cluster", {
      vpc: network,
      containerInsightsV2: ecs.ContainerInsights.DISABLED,
    });
    // `enableFargateCapacityProviders` would add a resource of a type that the local cloud does not have.
    cluster.node.defaultChild.capacityProviders = ["FARGATE", "FARGATE_SPOT"];
    const extraction = this.task("Extraction", { bus, tally });
    const container = extraction.defaultContainer;
    landing.grantRead(extraction.taskRole);
    bus.grantPutEventsTo(extraction.taskRole);
    tally.grantReadWriteData(extraction.taskRole);
    const group = new ec2.SecurityGroup(this, "ExtractionGroup", {
      vpc: network,
      description: "Task extraction: HTTPS out, nothing in.",
      allowAllOutbound: false,
    });
    group.addEgressRule(ec2.Peer.anyIpv4(), ec2.Port.HTTPS, "AWS APIs");

    const code = lambda.Code.fromAsset(`${__dirname}/code`);
    const extract = this.worker("Extract", code, throttle, {
      TASK_CLUSTER: cluster.clusterArn,
      TASK_DEFINITION: extraction.taskDefinitionArn,
      TASK_CONTAINER: container.containerName,
      TASK_SUBNETS: network.publicSubnets.map((subnet) => subnet.subnetId).join(","),
      TASK_SECURITY_GROUPS: group.securityGroupId,
      TASK_ASSIGN_PUBLIC_IP: "ENABLED",
      EVENT_BUS_NAME: bus.eventBusName,
      EVENT_SOURCE: SOURCE,
    });
    this.feed(extract, arrivals, throttle);
    extraction.grantRun(extract);
    extract.addToRolePolicy(new iam.PolicyStatement({
      actions: ["ecs:TagResource"],
      resources: [this.formatArn({ service: "ecs", resource: "task", resourceName: `${cluster.clusterName}/*` })],
      conditions: { StringEquals: { "ecs:CreateAction": "RunTask" } },
    }));
    bus.grantPutEventsTo(extract);
    arrivals.grantSendMessages(extract);
    new events.Rule(this, "ExtractOnTaskStopped", {
      description: "Tasks of the function extract that have stopped.",
      eventPattern: {
        source: ["aws.ecs"],
        detailType: ["ECS Task State Change"],
        detail: { clusterArn: [cluster.clusterArn], lastStatus: ["STOPPED"], startedBy: ["deployer"] },
      },
      targets: [new targets.SqsQueue(arrivals, { deadLetterQueue: arrivals.deadLetterQueue.queue })],
    });

    const transform = this.worker("Transform", code, throttle, {
      EVENT_BUS_NAME: bus.eventBusName,
      EVENT_SOURCE: SOURCE,
      SETTINGS: JSON.stringify({
        fields: [
          { name: "id", from: "ID", required: true },
          { name: "house_number", from: "HouseNum" },
          { name: "street_address", from: "Street" },
          { name: "town", from: "Town" },
          { name: "zip", from: "Zip" },
        ],
      }),
    });
    this.subscribe(transform, bus, throttle, { detailType: ["s3RecordExtraction"], detail: { status: ["extracted"] } });
    landing.grantRead(transform);
    bus.grantPutEventsTo(transform);

    const load = this.worker("Load", code, throttle, {
      EVENT_BUS_NAME: bus.eventBusName,
      EVENT_SOURCE: SOURCE,
      TABLE_NAME: records.tableName,
    });
    this.subscribe(load, bus, throttle, { detailType: ["transform"], detail: { status: ["transformed"] } });
    records.grantWriteData(load);
    bus.grantPutEventsTo(load);

    const observe = this.worker("Observe", code, throttle, { TALLY_TABLE_NAME: tally.tableName });
    this.subscribe(observe, bus, throttle, {}, { batchSize: 1000, maxBatchingWindow: Duration.seconds(1) });
    tally.grantReadWriteData(observe);

    const errors = this.queue("Errors", { retentionPeriod: Duration.days(14) });
    new events.Rule(this, "Failures", {
      eventBus: bus,
      eventPattern: {
        source: [SOURCE],
        detailType: ["extractionFailed", "transformFailed", "loadFailed"],
        detail: { status: ["failed"] },
      },
      targets: [new targets.SqsQueue(errors, { deadLetterQueue: this.deadLetters("FailuresDeadLetters") })],
    });

    new CfnOutput(this, "Bucket", { value: landing.bucketName });
    new CfnOutput(this, "Table", { value: records.tableName });
  }

  deadLetters(id) {
    return new sqs.Queue(this, id, {
      retentionPeriod: Duration.days(14),
      encryption: sqs.QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      removalPolicy: RemovalPolicy.DESTROY,
    });
  }

  queue(id, props) {
    return new sqs.Queue(this, id, {
      encryption: sqs.QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      removalPolicy: RemovalPolicy.DESTROY,
      deadLetterQueue: { queue: this.deadLetters(`${id}DeadLetters`), maxReceiveCount: ATTEMPTS },
      ...props,
    });
  }

  /** Returns a bucket that notifies the queue of new CSV files. */
  bucket(id, queue) {
    const name = `${this.stackName}-landing-${this.account}-${this.region}`;
    const bucket = new s3.Bucket(this, id, {
      bucketName: name,
      encryption: s3.BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      versioned: true,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      removalPolicy: RemovalPolicy.DESTROY,
      lifecycleRules: [
        { id: "ExpireOldVersions", noncurrentVersionExpiration: Duration.days(90), expiredObjectDeleteMarker: true },
        { id: "AbortBrokenUploads", abortIncompleteMultipartUploadAfter: Duration.days(7) },
      ],
    });
    // `addEventNotification` would add a function and a custom resource to the stack, and take longer.
    bucket.node.defaultChild.notificationConfiguration = {
      queueConfigurations: [{
        event: "s3:ObjectCreated:*",
        filter: { s3Key: { rules: [{ name: "suffix", value: ".csv" }] } },
        queue: queue.queueArn,
      }],
    };
    const allowed = queue.addToResourcePolicy(new iam.PolicyStatement({
      principals: [new iam.ServicePrincipal("s3.amazonaws.com")],
      actions: ["sqs:SendMessage"],
      resources: [queue.queueArn],
      conditions: {
        ArnEquals: { "aws:SourceArn": this.formatArn({ service: "s3", region: "", account: "", resource: name }) },
        StringEquals: { "aws:SourceAccount": this.account },
      },
    }));
    bucket.node.addDependency(allowed.policyDependable);
    return bucket;
  }

  table(id, partitionKey, sortKey) {
    return new dynamodb.Table(this, id, {
      partitionKey,
      sortKey,
      billingMode: dynamodb.BillingMode.PAY_PER_REQUEST,
      encryption: dynamodb.TableEncryption.AWS_MANAGED,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      removalPolicy: RemovalPolicy.DESTROY,
    });
  }

  logGroup(id) {
    return new logs.LogGroup(this, id, {
      retention: logs.RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    });
  }

  task(id, { bus, tally }) {
    const task = new ecs.FargateTaskDefinition(this, id, {
      cpu: 256,
      memoryLimitMiB: 512,
      ephemeralStorageGiB: 21,
      runtimePlatform: {
        cpuArchitecture: ecs.CpuArchitecture.X86_64,
        operatingSystemFamily: ecs.OperatingSystemFamily.LINUX,
      },
    });
    task.addContainer("extraction", {
      image: ecs.ContainerImage.fromRegistry("public.ecr.aws/docker/library/busybox:stable"),
      user: "65532:65532",
      readonlyRootFilesystem: true,
      environment: {
        EVENT_BUS_NAME: bus.eventBusName,
        EVENT_SOURCE: SOURCE,
        TALLY_TABLE_NAME: tally.tableName,
        EXPECTED_COLUMNS: JSON.stringify(["ID", "HouseNum", "Street", "Town", "Zip"]),
      },
      logging: ecs.LogDrivers.awsLogs({ streamPrefix: "extraction", logGroup: this.logGroup(`${id}Logs`) }),
    });
    return task;
  }

  worker(id, code, throttle, environment) {
    return new lambda.Function(this, id, {
      description: `Worker ${id.toLowerCase()} of the stack ${this.stackName}.`,
      runtime: lambda.Runtime.PROVIDED_AL2023,
      architecture: lambda.Architecture.X86_64,
      handler: id.toLowerCase(),
      code,
      memorySize: 256,
      timeout: Duration.seconds(30),
      reservedConcurrentExecutions: throttle,
      loggingFormat: lambda.LoggingFormat.JSON,
      logGroup: this.logGroup(`${id}Logs`),
      environment: { ...environment, MAX_RECEIVE_COUNT: String(ATTEMPTS) },
    });
  }

  feed(worker, queue, throttle, props) {
    worker.addEventSource(new SqsEventSource(queue, {
      batchSize: 10,
      reportBatchItemFailures: true,
      maxConcurrency: throttle,
      ...props,
    }));
  }

  /** Sends the events of the pipeline that match the pattern to the worker through a queue. */
  subscribe(worker, bus, throttle, pattern, props) {
    const buffer = this.queue(`${worker.node.id}Buffer`, { visibilityTimeout: Duration.minutes(3) });
    new events.Rule(this, `${worker.node.id}Rule`, {
      eventBus: bus,
      eventPattern: { source: [SOURCE], ...pattern },
      targets: [new targets.SqsQueue(buffer, { deadLetterQueue: buffer.deadLetterQueue.queue })],
    });
    this.feed(worker, buffer, throttle, props);
  }
}

const app = new App();
const stack = app.node.tryGetContext("stack") ?? "etl-cdk";
// With the caller's credentials and an existing bucket: the CLI assumes no role and looks up no version of a bootstrap stack.
const synthesizer = new CliCredentialsStackSynthesizer({
  fileAssetsBucketName: app.node.tryGetContext("assets") ?? "cdk-assets",
});
new Pipeline(app, stack, {
  synthesizer,
  description: "Upload a CSV; every row is transformed and lands in DynamoDB.",
});
app.synth();
